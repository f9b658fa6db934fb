#pragma once

// The optimizers: each steps the weights of one stage from their accumulated gradients, and asks no
// other stage. They write to `variable_data()` of a parameter, the same storage with a version
// counter of its own, so that autograd lets a later backward of an earlier forward use the weights
// as they are then (docs/decisions/in-place-step.md).

#include <ATen/core/Tensor.h>

#include <string>
#include <utility>
#include <vector>

#include "paci/v1/job.pb.h"
#include "worker/model/gpt.h"

namespace paci {

// AdamW (Loshchilov & Hutter, 2019, algorithm 2), with LibTorch's fused kernel: for a gradient g,
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   t = t + 1
//   w = w - lr (weight_decay w + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps))
// Single-threaded. Throws what LibTorch throws.
class AdamW {
 public:
  AdamW(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

  // REQUIRES: every parameter has a gradient.
  void Step(double learning_rate);

  // Of parameter `index`: ("exp_avg", m), ("exp_avg_sq", v), ("step", t).
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const;

 private:
  // Parameters that share a weight decay: one call of the kernel.
  struct Group {
    double weight_decay = 0;
    std::vector<at::Tensor> parameters;
    std::vector<at::Tensor> weights;  // their variable_data
    std::vector<at::Tensor> exp_avg;
    std::vector<at::Tensor> exp_avg_sq;
    std::vector<at::Tensor> step;
  };

  const v1::OptimizerSpec spec_;
  Group groups_[2];                                  // without and with decay
  std::vector<std::pair<size_t, size_t>> position_;  // of each parameter: group, index in it
};

}  // namespace paci
