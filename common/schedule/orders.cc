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

}  // namespace paci
