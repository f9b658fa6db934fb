#include "common/simulator/stage_account.h"

#include <algorithm>

namespace paci {
namespace {

int64_t LeastVersions(WeightPolicy weights) {
  switch (weights) {
    case WeightPolicy::kCurrent:
    case WeightPolicy::kNesterov:
    case WeightPolicy::kStash:
      return 1;
    case WeightPolicy::kDoubleBuffer:
    case WeightPolicy::kPredict:
    case WeightPolicy::kPredictBoth:
      return 2;
    case WeightPolicy::kCorrect:
      return 3;
  }
  return 1;
}

}  // namespace

StageAccount::StageAccount(const ScheduleConfig& config, bool keeps_trace)
    : weights_(config.weights), accumulation_(config.accumulation), keeps_trace_(keeps_trace) {
  stage_.max_weight_versions = LeastVersions(weights_);
  held_of_chunk_.resize(config.chunks);
  stage_.max_held_of_chunk.resize(config.chunks);
}

void StageAccount::Begin(Action action, const StageState& state, int64_t start,
                         int64_t nanoseconds) {
  int64_t version = state.updates;
  switch (action.kind) {
    case ActionKind::kForward:
      forward_ += nanoseconds;
      version = ForwardVersion(weights_, accumulation_, action.index, state.updates);
      BeginForward(state, version);
      Hold(action.chunk);
      break;
    case ActionKind::kBackward:
      backward_ += nanoseconds;
      version = BeginBackward(state);
      --held_of_chunk_[action.chunk];
      break;
    case ActionKind::kWeights:
      weight_halves_ += nanoseconds;
      break;
    case ActionKind::kStep:
      update_ += nanoseconds;
      break;
    case ActionKind::kEvaluate:
    case ActionKind::kCheckpoint:
      milestone_ += nanoseconds;
      break;
  }
  if (!keeps_trace_) return;
  stage_.trace.push_back({action, ToSeconds(start), ToSeconds(start + nanoseconds), version});
}

void StageAccount::BeginForward(const StageState& state, int64_t version) {
  if (in_flight_.empty() || in_flight_.back().version != version)
    in_flight_.push_back({version, 0});
  ++in_flight_.back().micro_batches;
  stage_.max_in_flight = std::max(stage_.max_in_flight, state.InFlight() + 1);
  stage_.max_held = std::max(stage_.max_held, state.Held() + 1);
  CountVersions(state.updates);
}

void StageAccount::Hold(int64_t chunk) {
  int64_t& most = stage_.max_held_of_chunk[chunk];
  most = std::max(most, ++held_of_chunk_[chunk]);
}

int64_t StageAccount::BeginBackward(const StageState& state) {
  Run& oldest = in_flight_.front();
  const int64_t forward_version = oldest.version;
  if (--oldest.micro_batches == 0) in_flight_.pop_front();
  const auto lag = static_cast<size_t>(state.updates - forward_version);
  if (stage_.lag.counts.size() <= lag) stage_.lag.counts.resize(lag + 1);
  ++stage_.lag.counts[lag];
  return BackwardVersion(weights_, forward_version, state.updates);
}

void StageAccount::EndUpdate(int64_t updates) { CountVersions(updates); }

void StageAccount::CountVersions(int64_t updates) {
  if (weights_ != WeightPolicy::kStash) return;
  const bool current_is_used = !in_flight_.empty() && in_flight_.back().version == updates;
  const auto versions = static_cast<int64_t>(in_flight_.size()) + (current_is_used ? 0 : 1);
  stage_.max_weight_versions = std::max(stage_.max_weight_versions, versions);
}

SimulatedStage StageAccount::Finish(int64_t end) const {
  SimulatedStage stage = stage_;
  // A schedule that splits backwards holds longer, and has one chunk.
  if (held_of_chunk_.size() == 1) stage.max_held_of_chunk = {stage.max_held};
  stage.forward_seconds = ToSeconds(forward_);
  stage.backward_seconds = ToSeconds(backward_);
  stage.weights_seconds = ToSeconds(weight_halves_);
  stage.update_seconds = ToSeconds(update_);
  stage.milestone_seconds = ToSeconds(milestone_);
  stage.idle_seconds =
      ToSeconds(end - forward_ - backward_ - weight_halves_ - update_ - milestone_);
  double backwards = 0;
  double sum = 0;
  for (size_t k = 0; k < stage.lag.counts.size(); ++k) {
    backwards += static_cast<double>(stage.lag.counts[k]);
    sum += static_cast<double>(stage.lag.counts[k]) * static_cast<double>(k);
  }
  stage.lag.max = std::max<int64_t>(0, static_cast<int64_t>(stage.lag.counts.size()) - 1);
  stage.lag.mean = backwards > 0 ? sum / backwards : 0;
  return stage;
}

}  // namespace paci
