#include "common/schedule/schedule.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/schedule/orders.h"

namespace paci {

absl::string_view ToString(Wait wait) {
  switch (wait) {
    case Wait::kNone:
      return "nothing";
    case Wait::kActivation:
      return "an activation";
    case Wait::kGradient:
      return "a gradient";
    case Wait::kEvaluation:
      return "a validation activation";
    case Wait::kHold:
      return "the end of a pause";
    case Wait::kFinished:
      return "nothing: finished";
  }
  return "?";
}

int64_t Schedule::InFlightCap() const {
  return is_last() ? 1 : config_.stages - stage_ + config_.extra_in_flight;
}

int64_t Schedule::LagBound() const {
  if (config_.boundary == UpdateBoundary::kFlush) return 0;
  if (config_.weights == WeightPolicy::kDoubleBuffer) return 1;
  const int64_t a = config_.accumulation;
  return (InFlightCap() - 1 + a - 1) / a;
}

void Schedule::Finish(Action action, StageState& state) const {
  switch (action.kind) {
    case ActionKind::kForward:
      ++state.forwards;
      break;
    case ActionKind::kBackward:
      ++state.backwards;
      if (!SplitsBackward()) ++state.weight_halves;
      break;
    case ActionKind::kWeights:
      ++state.weight_halves;
      break;
    case ActionKind::kStep:
      ++state.updates;
      break;
    case ActionKind::kEvaluate:
      ++state.evaluations;
      break;
    case ActionKind::kCheckpoint:
      ++state.checkpoints;
      break;
  }
}

std::optional<Action> Schedule::NextActivation(const StageState& state) const {
  const Milestones& milestones = config_.milestones;
  const bool at_boundary = state.activations % config_.accumulation == 0;
  if (at_boundary && state.evaluation_activations <
                         milestones.EvaluationsDue(state.activations / config_.accumulation)) {
    return Action{ActionKind::kEvaluate, state.evaluation_activations};
  }
  if (state.activations >= config_.MicroBatches()) return std::nullopt;
  return Action{ActionKind::kForward, state.activations};
}

std::optional<Decision> Schedule::Boundary(const StageState& state) const {
  if (state.weight_halves == (state.updates + 1) * config_.accumulation) {
    return Decision{Action{ActionKind::kStep, state.updates}, Wait::kNone};
  }
  const bool is_drained =
      state.Held() == 0 && state.weight_halves == state.updates * config_.accumulation;
  if (!is_drained) return std::nullopt;
  const Milestones& milestones = config_.milestones;
  if (state.evaluations < milestones.EvaluationsDue(state.updates)) {
    if (!is_first() && state.evaluations >= state.evaluation_activations) {
      return Decision{std::nullopt, Wait::kEvaluation};
    }
    return Decision{Action{ActionKind::kEvaluate, state.evaluations}, Wait::kNone};
  }
  if (state.checkpoints < milestones.CheckpointsDue(state.updates)) {
    return Decision{Action{ActionKind::kCheckpoint, state.checkpoints}, Wait::kNone};
  }
  if (state.updates == milestones.updates) return Decision{std::nullopt, Wait::kFinished};
  if (state.forwards >= state.hold_at) return Decision{std::nullopt, Wait::kHold};
  return std::nullopt;
}

bool Schedule::MayForward(const StageState& state) const {
  const int64_t next = state.forwards;
  if (next >= config_.MicroBatches() || next >= state.hold_at) return false;
  if (state.InFlight() >= InFlightCap() || state.Held() >= ActivationCap()) return false;
  const int64_t begun_updates = next / config_.accumulation;
  if (config_.boundary == UpdateBoundary::kFlush && begun_updates > state.updates) return false;
  // Its version, one update back, must be there.
  if (config_.weights == WeightPolicy::kDoubleBuffer && begun_updates > state.updates + 1) {
    return false;
  }
  return state.evaluations >= config_.milestones.EvaluationsDue(begun_updates) &&
         state.checkpoints >= config_.milestones.CheckpointsDue(begun_updates);
}

bool Schedule::ForwardIsHere(const StageState& state) const {
  return is_first() || state.activations > state.forwards;
}

bool Schedule::BackwardIsHere(const StageState& state) const {
  return state.InFlight() > 0 && (is_last() || state.gradients > state.backwards);
}

absl::Status Schedule::CheckInvariants(const StageState& state) const {
  const int64_t a = config_.accumulation;
  const auto broken = [&](absl::string_view rule) {
    return absl::InternalError(absl::StrCat(
        "stage ", stage_, " of ", config_.stages, " broke the schedule's rule ", rule,
        ": forwards ", state.forwards, ", backwards ", state.backwards, ", weight halves ",
        state.weight_halves, ", updates ", state.updates, ", accumulation ", a, ", activations ",
        state.activations, ", gradients ", state.gradients));
  };
  if (state.backwards < 0 || state.backwards > state.forwards) {
    return broken("0 <= backwards <= forwards");
  }
  if (state.weight_halves < 0 || state.weight_halves > state.backwards) {
    return broken("0 <= weight halves <= backwards");
  }
  if (state.InFlight() > InFlightCap()) {
    return broken(absl::StrCat("in-flight <= ", InFlightCap()));
  }
  if (state.Held() > ActivationCap()) {
    return broken(absl::StrCat("activations held <= ", ActivationCap()));
  }
  if (state.updates * a > state.weight_halves || state.backwards > (state.updates + 1) * a) {
    return broken("updates * a <= weight halves, backwards <= (updates + 1) * a");
  }
  if (!is_first() && state.forwards > state.activations) return broken("forwards <= activations");
  if (!is_last() && state.backwards > state.gradients) return broken("backwards <= gradients");
  return absl::OkStatus();
}

std::unique_ptr<Schedule> MakeSchedule(const ScheduleConfig& config, int64_t stage) {
  switch (config.order) {
    case Order::kDrainFirst:
      return std::make_unique<DrainFirst>(config, stage);
    case Order::kStrict:
      return std::make_unique<Strict>(config, stage);
    case Order::kFillDrain:
      return std::make_unique<FillDrain>(config, stage);
    case Order::kSplit1:
    case Order::kSplit2:
      return std::make_unique<SplitBackward>(config, stage);
  }
  return nullptr;
}

}  // namespace paci
