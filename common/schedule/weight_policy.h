#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace paci {

// Which weights a forward and a backward use. A version is a number: the weights after so many
// updates of this stage. For a micro-batch m whose forward finds `u` updates done and whose
// backward finds `w`, with `a` micro-batches an update (so that w = m / a):
enum class WeightPolicy {
  // Both use the weights as they are, versions u and w (PACI, section 3).
  kCurrent,
  // The backward uses version u again, which was kept (PipeDream, SOSP 2019, section 3.3).
  kStash,
  // Both use version w - 1: W(t+1) = W(t) - lr * grad(W(t-1)) (PipeDream-2BW, ICML 2021, 3.1).
  kDoubleBuffer,
  // The forward uses a prediction of version w, lr * (w - u) steps along the optimizer's last
  // direction; the backward the weights as they are (PipeOptim, arXiv 2312.00839, section 3).
  kPredict,
  // As kPredict, and both predict further, to when the micro-batch will have left the pipeline
  // (SpecTrain, arXiv 1809.02839, section 4.2).
  kPredictBoth,
  // The backward uses an estimate of version u: the weights less (w - u) times a running mean of
  // their change per update (PipeMare, MLSys 2021, T2); the learning rate is scaled by the stage's
  // delay at first (T1).
  kCorrect,
  // The weights as they are, which the optimizer has moved ahead by its momentum (AsyncPP, ICML
  // 2025, section 4).
  kNesterov,
};

// What of the policy's own is in a checkpoint, in words; empty: nothing. From one that lacks it, it
// cannot go on.
inline absl::string_view StateOf(WeightPolicy policy) {
  switch (policy) {
    case WeightPolicy::kDoubleBuffer:
      return "the weights of one update before";
    case WeightPolicy::kCorrect:
      return "the running mean of weight changes";
    default:
      return "";
  }
}

// The version whose values the forward of `micro_batch` starts from, `updates` being done.
inline int64_t ForwardVersion(WeightPolicy policy, int64_t accumulation, int64_t micro_batch,
                              int64_t updates) {
  if (policy != WeightPolicy::kDoubleBuffer) return updates;
  const int64_t own_update = micro_batch / accumulation;
  return own_update > 0 ? own_update - 1 : 0;
}

// The version whose values its backward starts from.
inline int64_t BackwardVersion(WeightPolicy policy, int64_t forward_version, int64_t updates) {
  const bool keeps = policy == WeightPolicy::kStash || policy == WeightPolicy::kDoubleBuffer;
  return keeps ? forward_version : updates;
}

}  // namespace paci
