#pragma once

// worker/compute: what a stage keeps of a micro-batch between its forward and its backward, and so
// what the backward does again.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "paci/v1/job.pb.h"
#include "worker/compute/stage_model.h"

namespace paci {

// Forwards and backwards of one chunk of a stage by slot. Single-threaded. Throws what LibTorch
// throws.
class StagePasses {
 public:
  virtual ~StagePasses() = default;

  // What comes behind the chunk's last unit: nothing, or at the end of the model the loss.
  using Finish = std::function<at::Tensor(const at::Tensor&)>;

  // The chunk's result for `input`; what its backward needs is kept in `slot`.
  virtual at::Tensor Forward(int slot, const at::Tensor& input, int64_t micro_batch,
                             const Finish& finish) = 0;
  // Accumulates the gradients of the weights and of the input, given that of the result.
  virtual void Backward(int slot, const at::Tensor& result_gradient) = 0;
  // Where the schedule splits backwards: the gradients of the weights, which Backward then leaves.
  virtual void BackwardWeights(int slot) = 0;
};

// `model` outlives it.
std::unique_ptr<StagePasses> MakeStagePasses(StageModel* model, StageModel::Range chunk, int slots,
                                             v1::Recompute recompute, bool splits_backward);

}  // namespace paci
