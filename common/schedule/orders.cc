#include "common/schedule/orders.h"

namespace paci {
Decision DrainFirst::Next(const StageState& state) const {
  if (const auto boundary = Boundary(state)) return *boundary;
  if (BackwardIsHere(state)) return Backward(state);
  if (!MayForward(state)) return {std::nullopt, Wait::kGradient};
  if (ForwardIsHere(state)) return Forward(state);
  return {std::nullopt, Wait::kActivation};
}

Decision Strict::Next(const StageState& state) const {
  if (const auto boundary = Boundary(state)) return *boundary;
  if (MayForward(state)) {
    if (ForwardIsHere(state)) return Forward(state);
    return {std::nullopt, Wait::kActivation};
  }
  if (BackwardIsHere(state)) return Backward(state);
  return {std::nullopt, Wait::kGradient};
}

int64_t SplitBackward::InFlightCap() const {
  return Budget() * (config().stages - stage()) - (Budget() - 1);
}

int64_t SplitBackward::ActivationCap() const { return Budget() * config().stages - (Budget() - 1); }

Decision SplitBackward::Next(const StageState& state) const {
  if (const auto boundary = Boundary(state)) return *boundary;
  const bool may_forward = MayForward(state);
  const bool forward_is_here = may_forward && ForwardIsHere(state);
  const Decision forward = Forward(state);
  // The neighbours live on the 1F1B among these: filled first, as there.
  if (forward_is_here && state.InFlight() < config().stages - stage()) return forward;
  if (BackwardIsHere(state)) return Backward(state);
  if (forward_is_here) return forward;
  if (state.weight_halves < state.backwards) {
    return {Action{ActionKind::kWeights, state.weight_halves}, Wait::kNone};
  }
  return {std::nullopt, may_forward ? Wait::kActivation : Wait::kGradient};
}

}  // namespace paci
