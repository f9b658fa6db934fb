#include "worker/optimizer/lion.h"

#include <ATen/ATen.h>

namespace paci {

Lion::Lion(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters)
    : spec_(spec), parameters_(parameters) {
  for (const Parameter& parameter : parameters_) {
    exp_avg_.push_back(at::zeros_like(parameter.master));
    direction_.push_back(at::zeros_like(exp_avg_.back()));
  }
}

void Lion::Step(int64_t /*update*/, double learning_rate) {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const at::Tensor& gradient = parameter.gradient();
    direction_[i].copy_(gradient).lerp_(exp_avg_[i], spec_.beta1()).sign_();
    exp_avg_[i].lerp_(gradient, 1 - spec_.beta2());
    const double decay = parameter.decays ? spec_.weight_decay() : 0;
    at::Tensor(parameter.master).mul_(1 - learning_rate * decay).sub_(direction_[i], learning_rate);
  }
}

std::vector<std::pair<std::string, at::Tensor>> Lion::State(size_t index) const {
  return {{"exp_avg", exp_avg_[index]}, {"direction", direction_[index]}};
}

}  // namespace paci
