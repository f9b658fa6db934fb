#pragma once

#include <vector>

#include "worker/optimizer/optimizer.h"

namespace paci {

// Lion (Chen et al., NeurIPS 2023, algorithm 2). For a gradient g:
//   d = sign(beta1 m + (1 - beta1) g),   w = w - lr (weight_decay w + d)
//   m = beta2 m + (1 - beta2) g
// Its learning rate is a third to a tenth of AdamW's.
class Lion final : public Optimizer {
 public:
  Lion(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

  void Step(int64_t update, double learning_rate) override;
  at::Tensor Direction(size_t index) const override { return direction_[index]; }
  // ("exp_avg", m), ("direction", d).
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const override;

 private:
  const v1::OptimizerSpec spec_;
  const std::vector<Parameter> parameters_;
  std::vector<at::Tensor> exp_avg_;
  std::vector<at::Tensor> direction_;
};

}  // namespace paci
