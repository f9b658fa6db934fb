#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "paci/v1/job.pb.h"
#include "worker/checkpoint/checkpoint.h"
#include "worker/model/gpt.h"
#include "worker/optimizer/optimizer.h"

namespace paci {

// The units of one stage. Single-threaded. Throws what LibTorch throws.
class StageModel {
 public:
  // Units [first_unit, end_unit).
  StageModel(const v1::JobSpec& spec, uint32_t first_unit, uint32_t end_unit);

  // Through all units, or those of [begin, end) counted from the stage's first. `micro_batch`: in
  // training, what dropout depends on; nullopt drops nothing.
  at::Tensor Forward(at::Tensor input, std::optional<int64_t> micro_batch);
  at::Tensor Forward(at::Tensor input, std::optional<int64_t> micro_batch, size_t begin, size_t end,
                     DeferredGradients* deferred = nullptr);
  size_t unit_count() const { return units_.size(); }

  std::vector<Parameter> parameters() const;

  // What a checkpoint has of these units; valid until the next step.
  std::vector<UnitTensors> Tensors(const Optimizer& optimizer) const;
  // Takes over the weights of a complete checkpoint.
  absl::Status Load(const std::string& directory);

 private:
  const v1::JobSpec spec_;
  const uint32_t first_unit_;
  std::vector<std::unique_ptr<ModelUnit>> units_;
};

// Where the elements of a contiguous float32 or int64 tensor lie.
absl::Span<std::byte> BytesOf(const at::Tensor& tensor);

}  // namespace paci
