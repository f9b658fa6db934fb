#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "common/schedule/schedule.h"
#include "paci/v1/job.pb.h"
#include "worker/model/model.h"

namespace paci {

// A head that scores with the embedding's matrix, over several stages. The first stage owns the
// matrix and steps it; the last has a copy. Both travel along the pipeline beside the frames that
// travel anyway, so that nobody waits for them by themselves and a flush is exact:
// - before the activation of an update's first micro-batch, and of a validation's, the matrix as it
//   is at the first stage;
// - before the gradient of an update's last micro-batch, the gradient of the copy, summed over the
//   update, which the first stage adds to the embedding's in its step.
// So the head lags as the first stage does: it scores with the matrix that the embedding of an
// update's first micro-batch had, and its gradient is part of the step that the first stage takes
// with that update's last backward. Stages between pass both on.
//
// Single-threaded; the spans it hands out are also touched by the transport, until the frame that
// they go with is through. Throws what LibTorch throws.
class TiedHead {
 public:
  // `shared`: StageModel::shared() of the stage of `schedule`.
  TiedHead(const v1::JobSpec& spec, const Schedule& schedule, Parameter* shared, at::Device device);
  void Prepare(int slots, int returns);

  // As StageCompute's TiedInput, TiedOutput, TiedOutputGradient and TiedGradient. Output after
  // OnInput, Gradient after OnBackward.
  absl::Span<std::byte> Input(Action action, int slot);
  absl::Span<const std::byte> Output(Action action, int slot);
  absl::Span<std::byte> OutputGradient(Action action, int return_index);
  absl::Span<const std::byte> Gradient(Action action, int slot) const;

  // Before a forward or an evaluation from `slot`. True at the last stage if the copy's master has
  // changed.
  bool OnInput(Action action, int slot);
  // After a backward that read return buffer `return_index`.
  void OnBackward(Action action, int slot, int return_index);
  // First stage, before its step: adds the head's gradient to the embedding's.
  void AddGradient();

 private:
  bool IsCarried(Action action) const;
  at::Tensor NewBuffer() const;

  const bool is_used_;
  const bool is_first_;
  const bool is_last_;
  const int64_t accumulation_;
  const int64_t eval_batches_;
  const std::vector<int64_t> shape_;  // of the matrix: [vocabulary, hidden]
  const at::TensorOptions options_;   // float32
  Parameter* const shared_;
  // What has come or is to go with a frame; undefined where nothing does.
  std::vector<at::Tensor> matrices_;   // by slot
  std::vector<at::Tensor> gradients_;  // by slot, on their way
  std::vector<at::Tensor> arriving_;   // by return index: gradients from downstream
  at::Tensor arrived_;                 // first stage: of the update that is to be stepped
};

}  // namespace paci
