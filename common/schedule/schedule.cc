#include "common/schedule/schedule.h"

#include <algorithm>

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
  const int64_t flushed = config_.flush_first + config_.flush_last;
  if (config_.boundary == UpdateBoundary::kFlush || flushed >= config_.milestones.updates) return 0;
  if (config_.weights == WeightPolicy::kDoubleBuffer) return 1;
  const int64_t a = config_.accumulation;
  return (InFlightCap() - 1 + a - 1) / a;
}

double Schedule::FullMeanLag() const {
  if (config_.boundary == UpdateBoundary::kFlush) return 0;
  if (config_.weights == WeightPolicy::kDoubleBuffer) return 1;
  return static_cast<double>(InFlightCap() - 1) / static_cast<double>(config_.accumulation);
}

double Schedule::MeanLag(int64_t update) const {
  if (config_.Flushes(update)) return 0;
  const int64_t before = update - std::max<int64_t>(config_.flush_first - 1, 0);
  return std::min(FullMeanLag(), static_cast<double>(before));
}

StageState Schedule::Begin() const {
  StageState state;
  state.updates = config_.first_update;
  state.forwards = state.backwards = state.weight_halves =
      config_.first_update * config_.PassesPerUpdate();
  state.activations = ActivationsUsed(state.forwards);
  state.gradients = GradientsUsed(state.backwards);
  if (config_.first_update == 0) return state;
  state.evaluations = EvaluationPassesDue(config_.first_update);
  state.evaluation_activations = EvaluationActivationsUsed(state.evaluations);
  state.checkpoints = config_.milestones.CheckpointsDue(config_.first_update);
  return state;
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

Action Schedule::ForwardAt(int64_t pass) const {
  const PassOrder::Pass at = passes_.At(pass);
  return {ActionKind::kForward, at.micro_batch, at.rank};
}

Action Schedule::BackwardAt(int64_t pass) const {
  const PassOrder::Pass at = passes_.At(pass);
  return {ActionKind::kBackward, at.micro_batch, config_.chunks - 1 - at.rank};
}

Action Schedule::EvaluationAt(int64_t pass) const {
  const PassOrder::Pass at = evaluation_passes_.At(pass);
  return {ActionKind::kEvaluate, at.micro_batch, at.rank};
}

int64_t Schedule::EvaluationPassesDue(int64_t update) const {
  return config_.milestones.EvaluationsDue(update) * config_.chunks;
}

std::optional<Action> Schedule::NextInput(const PreparedInputs& prepared) const {
  const int64_t begun = prepared.forwards / config_.PassesPerUpdate();
  const bool at_boundary = prepared.forwards % config_.PassesPerUpdate() == 0;
  if (at_boundary && prepared.evaluations < EvaluationPassesDue(begun)) {
    return EvaluationAt(prepared.evaluations);
  }
  if (prepared.forwards >= config_.Passes()) return std::nullopt;
  return ForwardAt(prepared.forwards);
}

std::optional<Action> Schedule::BackwardOfGradient(int64_t frame) const {
  if (is_last() && config_.chunks == 1) return std::nullopt;
  const int64_t pass = is_last() ? passes_.PassOfRoundTrip(frame) : frame;
  if (pass >= config_.Passes()) return std::nullopt;
  return BackwardAt(pass);
}

bool Schedule::TakesFrame(Action action) const {
  if (action.kind == ActionKind::kBackward) {
    return !is_last() || action.chunk < config_.chunks - 1;
  }
  return !is_first() || action.chunk > 0;
}

bool Schedule::MakesFrame(Action action) const {
  if (action.kind == ActionKind::kBackward) return !is_first() || action.chunk > 0;
  return !is_last() || action.chunk < config_.chunks - 1;
}

int64_t Schedule::ActivationsUsed(int64_t forwards) const {
  return is_first() ? passes_.RoundTripsBefore(forwards) : forwards;
}

int64_t Schedule::EvaluationActivationsUsed(int64_t evaluations) const {
  return is_first() ? evaluation_passes_.RoundTripsBefore(evaluations) : evaluations;
}

int64_t Schedule::GradientsUsed(int64_t backwards) const {
  return is_last() ? passes_.RoundTripsBefore(backwards) : backwards;
}

std::optional<Decision> Schedule::Boundary(const StageState& state) const {
  const int64_t per_update = config_.PassesPerUpdate();
  if (state.weight_halves == (state.updates + 1) * per_update) {
    return Decision{Action{ActionKind::kStep, state.updates}, Wait::kNone};
  }
  const Milestones& milestones = config_.milestones;
  const bool is_evaluated = state.evaluations >= EvaluationPassesDue(state.updates);
  const bool is_written = state.checkpoints >= milestones.CheckpointsDue(state.updates);
  const Decision checkpoint{Action{ActionKind::kCheckpoint, state.checkpoints}, Wait::kNone};
  // A validation of the same update comes first, and drains.
  if (!milestones.checkpoints_drain && is_evaluated && !is_written) return checkpoint;
  const bool is_drained = state.Held() == 0 && state.weight_halves == state.updates * per_update;
  if (!is_drained) return std::nullopt;
  if (!is_evaluated) {
    if (state.evaluation_activations < EvaluationActivationsUsed(state.evaluations + 1)) {
      return Decision{std::nullopt, Wait::kEvaluation};
    }
    return Decision{EvaluationAt(state.evaluations), Wait::kNone};
  }
  if (!is_written) return checkpoint;
  if (state.updates == milestones.updates) return Decision{std::nullopt, Wait::kFinished};
  if (IsKeptBack(state.forwards, state)) return Decision{std::nullopt, Wait::kHold};
  return std::nullopt;
}

bool Schedule::MayForward(const StageState& state) const {
  const int64_t next = state.forwards;
  if (next >= config_.Passes() || IsKeptBack(next, state)) return false;
  if (state.InFlight() >= InFlightCap() || state.Held() >= ActivationCap()) return false;
  const int64_t begun_updates = next / config_.PassesPerUpdate();
  if (config_.Flushes(begun_updates) && begun_updates > state.updates) return false;
  // Its version, one update back, must be there.
  if (config_.weights == WeightPolicy::kDoubleBuffer && begun_updates > state.updates + 1) {
    return false;
  }
  if (state.evaluations < EvaluationPassesDue(begun_updates)) return false;
  return !config_.milestones.checkpoints_drain ||
         state.checkpoints >= config_.milestones.CheckpointsDue(begun_updates);
}

bool Schedule::IsKeptBack(int64_t pass, const StageState& state) const {
  return passes_.At(pass).micro_batch >= state.hold_at;
}

bool Schedule::ForwardIsHere(const StageState& state) const {
  return state.activations >= ActivationsUsed(state.forwards + 1);
}

bool Schedule::BackwardIsHere(const StageState& state) const {
  if (state.InFlight() == 0 || state.gradients < GradientsUsed(state.backwards + 1)) return false;
  const Action next = BackwardAt(state.backwards);
  return passes_.IndexOf({next.index, next.chunk}) < state.forwards;
}

Decision Schedule::Forward(const StageState& state) const {
  return {ForwardAt(state.forwards), Wait::kNone};
}

Decision Schedule::Backward(const StageState& state) const {
  return {BackwardAt(state.backwards), Wait::kNone};
}

absl::Status Schedule::CheckInvariants(const StageState& state) const {
  const int64_t per_update = config_.PassesPerUpdate();
  const auto broken = [&](absl::string_view rule) {
    return absl::InternalError(absl::StrCat(
        "stage ", stage_, " of ", config_.stages, " broke the schedule's rule ", rule,
        ": forwards ", state.forwards, ", backwards ", state.backwards, ", weight halves ",
        state.weight_halves, ", updates ", state.updates, ", passes an update ", per_update,
        ", activations ", state.activations, ", gradients ", state.gradients));
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
  if (state.updates * per_update > state.weight_halves ||
      state.backwards > (state.updates + 1) * per_update) {
    return broken("updates * p <= weight halves, backwards <= (updates + 1) * p");
  }
  if (ActivationsUsed(state.forwards) > state.activations) {
    return broken("activations used <= activations");
  }
  if (GradientsUsed(state.backwards) > state.gradients)
    return broken("gradients used <= gradients");
  return absl::OkStatus();
}

std::unique_ptr<Schedule> MakeSchedule(const ScheduleConfig& config, int64_t stage) {
  switch (config.order) {
    case Order::kDrainFirst:
      return std::make_unique<DrainFirst>(config, stage);
    case Order::kStrict:
      return std::make_unique<Strict>(config, stage);
    case Order::kInterleaved:
      return std::make_unique<Interleaved>(config, stage);
    case Order::kFillDrain:
      return std::make_unique<FillDrain>(config, stage);
    case Order::kSplit1:
    case Order::kSplit2:
      return std::make_unique<SplitBackward>(config, stage);
  }
  return nullptr;
}

}  // namespace paci
