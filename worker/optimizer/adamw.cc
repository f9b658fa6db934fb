#include "worker/optimizer/adamw.h"

#include <ATen/ATen.h>

#include <cmath>

namespace paci {

AdamW::AdamW(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters)
    : spec_(spec) {
  groups_[1].weight_decay = spec.weight_decay();
  for (const Parameter& parameter : parameters) {
    const size_t index = parameter.decays ? 1 : 0;
    Group& group = groups_[index];
    position_.emplace_back(index, group.parameters.size());
    group.parameters.push_back(parameter);
    group.weights.push_back(parameter.master);
    group.exp_avg.push_back(at::zeros_like(group.weights.back()));
    group.exp_avg_sq.push_back(at::zeros_like(group.weights.back()));
    group.step.push_back(at::zeros({}, parameter.master.options()));
  }
}

void AdamW::Step(int64_t /*update*/, double learning_rate) {
  for (Group& group : groups_) {
    if (group.parameters.empty()) continue;
    at::_foreach_add_(group.step, 1);
    at::_fused_adamw_(group.weights, group.Gradients(), group.exp_avg, group.exp_avg_sq,
                      /*max_exp_avg_sqs=*/{}, group.step, learning_rate, spec_.beta1(),
                      spec_.beta2(), group.weight_decay, spec_.eps(), /*amsgrad=*/false,
                      /*maximize=*/false);
  }
}

std::vector<at::Tensor> AdamW::Group::Gradients() const {
  std::vector<at::Tensor> gradients;
  for (const Parameter& parameter : parameters) gradients.push_back(parameter.gradient());
  return gradients;
}

at::Tensor AdamDirection(const at::Tensor& exp_avg, const at::Tensor& exp_avg_sq, double steps,
                         const v1::OptimizerSpec& spec) {
  if (steps == 0) return at::zeros_like(exp_avg);
  const at::Tensor root = (exp_avg_sq / (1 - std::pow(spec.beta2(), steps))).sqrt_();
  return exp_avg / root.add_(spec.eps()) / (1 - std::pow(spec.beta1(), steps));
}

at::Tensor AdamW::Direction(size_t index) const {
  const auto [group, i] = position_[index];
  const Group& own = groups_[group];
  return AdamDirection(own.exp_avg[i], own.exp_avg_sq[i], own.step[i].item<double>(), spec_);
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::State(size_t index) const {
  const auto [group, i] = position_[index];
  return {{"exp_avg", groups_[group].exp_avg[i]},
          {"exp_avg_sq", groups_[group].exp_avg_sq[i]},
          {"step", groups_[group].step[i]}};
}

}  // namespace paci
