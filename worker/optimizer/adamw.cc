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

at::Tensor AdamW::Direction(size_t index) const {
  const auto [group, i] = position_[index];
  const auto steps = groups_[group].step[i].item<double>();
  if (steps == 0) return at::zeros_like(groups_[group].exp_avg[i]);
  const at::Tensor root =
      (groups_[group].exp_avg_sq[i] / (1 - std::pow(spec_.beta2(), steps))).sqrt_();
  return groups_[group].exp_avg[i] / root.add_(spec_.eps()) / (1 - std::pow(spec_.beta1(), steps));
}

std::vector<std::pair<std::string, at::Tensor>> AdamW::State(size_t index) const {
  const auto [group, i] = position_[index];
  return {{"exp_avg", groups_[group].exp_avg[i]},
          {"exp_avg_sq", groups_[group].exp_avg_sq[i]},
          {"step", groups_[group].step[i]}};
}

}  // namespace paci
