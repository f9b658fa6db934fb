#pragma once

// Clipping by the norm of the whole model's gradient without a barrier. A stage knows its own part
// at an update; what it knows of the stages before it came behind the last activation that it took,
// and of those after it behind the last gradient. Each stage passes on what came, with its own part
// added, so that with stages in a line nothing is counted twice. In lockstep (order: strict, paci)
// the part of stage j is at stage i, at an update, of an update before:
//   j > i: 1;  j < i: 1 + floor((i - j) / a)
// A part that has not come yet counts as 0. Norms change together from update to update, with the
// data that they are of, so the others' parts are taken to have changed as the stage's own since
// its last update: with `own` its norm,
//   norm = sqrt(own^2 + others^2 (own / own_before)^2)

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace paci {

// Where a frame lies: the values, and where norms travel what comes behind them.
struct FrameBuffer {
  at::Tensor values;
  at::Tensor norms;  // float [2], as in PipelineNorm; undefined: the frame has none

  absl::Span<std::byte> bytes() const;
};

// Of one stage. Single-threaded; device tensors are neither read nor waited for but by Total.
class PipelineNorm {
 public:
  // `is_used`: false: frames have no norms, and what comes with them is nothing.
  // `stage` of `stages`.
  PipelineNorm(bool is_used, int64_t stage, int64_t stages, at::TensorOptions options);

  bool is_used() const { return is_used_; }
  FrameBuffer MakeBuffer(at::IntArrayRef shape) const;

  // What came with the activation, or with the gradient, that the stage takes in now.
  void OnActivation(const FrameBuffer& frame) {
    if (is_used_) before_.copy_(frame.norms);
  }
  void OnGradient(const FrameBuffer& frame) {
    if (is_used_) after_.copy_(frame.norms);
  }
  // Writes what goes on with one. REQUIRES: is_used().
  void AddToActivation(const FrameBuffer& frame) const { Combine(before_, frame.norms); }
  void AddToGradient(const FrameBuffer& frame) const { Combine(after_, frame.norms); }

  struct Known {
    double norm = 0;
    int64_t age = 0;  // of its oldest part, in updates; a part that has never come counts as none
  };
  // At update `update` (from 0), in which this stage's own norm is `own`. REQUIRES: is_used().
  Known Total(int64_t update, double own);

  // float [3, 2]: before, after and own_before; a checkpoint keeps it.
  const at::Tensor& state() const { return state_; }

 private:
  void Combine(const at::Tensor& others, const at::Tensor& into) const;

  const bool is_used_;
  const at::TensorOptions options_;  // of values
  // Rows of state_. Each: a sum of squares, and the number, from 1, of the update that the oldest
  // of them is of; infinite if there is no such stage, 0 if one has not come yet.
  const at::Tensor state_;
  const at::Tensor before_;
  const at::Tensor after_;
  const at::Tensor own_;
};

}  // namespace paci
