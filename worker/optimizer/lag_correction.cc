#include "worker/optimizer/lag_correction.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace paci {

LagCorrected::LagCorrected(std::unique_ptr<Optimizer> optimizer,
                           const std::vector<Parameter>& parameters, v1::LagCorrection correction,
                           LagOf lag_of)
    : optimizer_(std::move(optimizer)), correction_(correction), lag_of_(std::move(lag_of)) {
  for (const Parameter& parameter : parameters) {
    weights_.push_back(parameter.master);
    earlier_.push_back(at::zeros_like(weights_.back()));
  }
}

void LagCorrected::Step(int64_t update, double learning_rate) {
  optimizer_->Step(update, learning_rate);
  const double lag = lag_of_(update);
  const bool feeds_back = correction_ == v1::LAG_CORRECTION_ERROR_FEEDBACK;
  const double rate = feeds_back ? 1 / (1 + lag) : 1;
  const double gain = feeds_back ? lag * rate : std::min(1.0, lag);
  for (size_t i = 0; i < weights_.size(); ++i) {
    const at::Tensor change = optimizer_->Direction(i).sub(earlier_[i]);
    if (gain > 0) weights_[i].sub_(change, learning_rate * gain);
    earlier_[i].add_(change, rate);
  }
}

std::vector<std::pair<std::string, at::Tensor>> LagCorrected::State(size_t index) const {
  auto state = optimizer_->State(index);
  state.emplace_back("earlier_direction", earlier_[index]);
  return state;
}

}  // namespace paci
