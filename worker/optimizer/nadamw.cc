#include "worker/optimizer/nadamw.h"

#include <ATen/ATen.h>

#include <cmath>

namespace paci {

double NAdamW::MomentumAt(int64_t step) const {
  return spec_.beta1() * (1 - 0.5 * std::pow(0.96, 0.004 * static_cast<double>(step)));
}

void NAdamW::OnStateLoaded() {
  int64_t steps = 0;
  for (const Group& group : groups_) {
    if (!group.step.empty()) steps = std::llround(group.step[0].item<double>());
  }
  steps_ = 0;
  product_ = 1;
  while (steps_ < steps) product_ *= MomentumAt(++steps_);
}

void NAdamW::Step(int64_t /*update*/, double learning_rate) {
  product_ *= MomentumAt(++steps_);
  const double now = MomentumAt(steps_);
  const double next = MomentumAt(steps_ + 1);
  const double of_gradient = learning_rate * (1 - now) / (1 - product_);
  const double of_momentum = learning_rate * next / (1 - product_ * next);
  const double root_bias = std::sqrt(1 - std::pow(spec_.beta2(), static_cast<double>(steps_)));
  for (Group& group : groups_) {
    if (group.parameters.empty()) continue;
    const std::vector<at::Tensor> gradients = group.Gradients();
    at::_foreach_add_(group.step, 1);
    at::_foreach_mul_(group.weights, 1 - learning_rate * group.weight_decay);
    at::_foreach_lerp_(group.exp_avg, gradients, 1 - spec_.beta1());
    at::_foreach_mul_(group.exp_avg_sq, spec_.beta2());
    at::_foreach_addcmul_(group.exp_avg_sq, gradients, gradients, 1 - spec_.beta2());
    std::vector<at::Tensor> divisors = at::_foreach_sqrt(group.exp_avg_sq);
    at::_foreach_div_(divisors, root_bias);
    at::_foreach_add_(divisors, spec_.eps());
    at::_foreach_addcdiv_(group.weights, gradients, divisors, -of_gradient);
    at::_foreach_addcdiv_(group.weights, group.exp_avg, divisors, -of_momentum);
  }
}

}  // namespace paci
