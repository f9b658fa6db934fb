#pragma once

#include <vector>

#include "worker/optimizer/optimizer.h"

namespace paci {

// AdamW (Loshchilov & Hutter, 2019, algorithm 2), with LibTorch's fused kernel: for a gradient g,
//   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2,   t = t + 1
//   w = w - lr (weight_decay w + (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps))
class AdamW : public Optimizer {
 public:
  AdamW(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

  void Step(int64_t update, double learning_rate) override;
  // (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
  at::Tensor Direction(size_t index) const override;
  // ("exp_avg", m), ("exp_avg_sq", v), ("step", t).
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const override;

 protected:
  // Parameters that share a weight decay: one call of the kernel.
  struct Group {
    double weight_decay = 0;
    std::vector<Parameter> parameters;
    std::vector<at::Tensor> weights;  // their masters
    std::vector<at::Tensor> exp_avg;
    std::vector<at::Tensor> exp_avg_sq;
    std::vector<at::Tensor> step;

    std::vector<at::Tensor> Gradients() const;
  };

  const v1::OptimizerSpec spec_;
  Group groups_[2];  // without and with decay

 private:
  std::vector<std::pair<size_t, size_t>> position_;  // of each parameter: group, index in it
};

// Adam's direction after `steps` steps, from its moments m and v; 0 before the first.
at::Tensor AdamDirection(const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq, double steps,
                         const v1::OptimizerSpec& spec);

}  // namespace paci
