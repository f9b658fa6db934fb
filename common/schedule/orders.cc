#include "common/schedule/orders.h"

namespace paci {
namespace {

Decision Do(ActionKind kind, int64_t index) { return {Action{kind, index}, Wait::kNone}; }

}  // namespace

Decision DrainFirst::Next(const StageState& state) const {
  if (const auto boundary = Boundary(state)) return *boundary;
  if (BackwardIsHere(state)) return Do(ActionKind::kBackward, state.backwards);
  if (!MayForward(state)) return {std::nullopt, Wait::kGradient};
  if (ForwardIsHere(state)) return Do(ActionKind::kForward, state.forwards);
  return {std::nullopt, Wait::kActivation};
}

Decision Strict::Next(const StageState& state) const {
  if (const auto boundary = Boundary(state)) return *boundary;
  if (MayForward(state)) {
    if (ForwardIsHere(state)) return Do(ActionKind::kForward, state.forwards);
    return {std::nullopt, Wait::kActivation};
  }
  if (BackwardIsHere(state)) return Do(ActionKind::kBackward, state.backwards);
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
  const Decision forward = Do(ActionKind::kForward, state.forwards);
  // The neighbours live on the 1F1B among these: filled first, as there.
  if (forward_is_here && state.InFlight() < config().stages - stage()) return forward;
  if (BackwardIsHere(state)) return Do(ActionKind::kBackward, state.backwards);
  if (forward_is_here) return forward;
  if (state.weight_halves < state.backwards) return Do(ActionKind::kWeights, state.weight_halves);
  return {std::nullopt, may_forward ? Wait::kActivation : Wait::kGradient};
}

}  // namespace paci
