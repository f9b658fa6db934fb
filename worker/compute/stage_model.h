#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/state_copy.h"
#include "paci/v1/job.pb.h"
#include "worker/model/model.h"
#include "worker/optimizer/optimizer.h"

namespace paci {

// The units of one stage, chunk by chunk. Single-threaded. Throws what LibTorch throws.
class StageModel {
 public:
  using Chunks = google::protobuf::RepeatedPtrField<v1::UnitRange>;
  // On `device`, in the job's precision.
  StageModel(const v1::JobSpec& spec, const Chunks& chunks, at::Device device = at::kCPU);
  // One chunk, on the CPU.
  StageModel(const v1::JobSpec& spec, uint32_t first_unit, uint32_t end_unit);

  // Some of the stage's units, counted from its first.
  struct Range {
    size_t begin;
    size_t end;
  };
  Range chunk(size_t index) const { return chunks_[index]; }
  size_t chunk_count() const { return chunks_.size(); }

  // Through the units of `range`, or all. `micro_batch`: in training, what dropout depends on;
  // nullopt drops nothing.
  at::Tensor Forward(at::Tensor input, std::optional<int64_t> micro_batch, Range range,
                     DeferredGradients* deferred = nullptr);
  at::Tensor Forward(at::Tensor input, std::optional<int64_t> micro_batch) {
    return Forward(std::move(input), micro_batch, {0, units_.size()});
  }

  std::vector<Parameter> parameters() const;
  // With a tied head, the matrix that embedding and head share, at the stages that have one of
  // them; elsewhere nullptr. A head's copy is not among the parameters: it takes part in
  // TakeMasters and SumGradients, and comes from where the embedding is.
  Parameter* shared() const;
  // Where weights are not their own masters: gives them the masters' values; and adds the gradients
  // that a backward left in the weights to their sums.
  void TakeMasters();
  void SumGradients();

  // Beside the weights: of each parameter, what optimizer and weight policy keep, by name.
  using State = std::vector<std::vector<std::pair<std::string, at::Tensor>>>;
  // What a checkpoint has of these units: the masters. Valid until the next step or call.
  std::vector<UnitTensors> Tensors(const State& state);
  // Takes over the weights of a complete checkpoint, and `state` where it is given.
  absl::Status Load(const std::string& directory, const State* state = nullptr);
  // The same of a copy of these units.
  absl::Status Load(const StateCopy& copy, const State& state);

 private:
  // Of weights that are not their own masters.
  template <typename Visit>
  void ForEachWithMaster(const Visit& visit) const;
  template <typename Source>
  absl::Status CopyWeights(const Source& from, size_t unit);
  template <typename Source>
  absl::Status CopyOfState(const Source& from, size_t unit, size_t first_parameter,
                           const State& state);

  // `tensor`, or a copy of it in memory of the host.
  at::Tensor OnHost(const at::Tensor& tensor);

  const v1::JobSpec spec_;
  const bool has_masters_;  // beside its weights
  std::vector<at::Tensor> host_copies_;
  std::vector<Range> chunks_;
  std::vector<uint32_t> numbers_;  // of units_, in the model
  std::vector<std::unique_ptr<ModelUnit>> units_;
};

// Where the elements of a contiguous tensor lie, on its device.
absl::Span<std::byte> BytesOf(const at::Tensor& tensor);

}  // namespace paci
