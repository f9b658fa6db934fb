#include "common/simulator/simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/simulator/event_heap.h"
#include "common/simulator/stage_account.h"

namespace paci {
namespace {

using What = SimulatedEvent::What;

int64_t ToNanoseconds(double seconds) { return std::llround(seconds * 1e9); }

constexpr size_t kKinds = 6;
size_t IndexOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return 0;
    case ActionKind::kBackward:
      return 1;
    case ActionKind::kWeights:
      return 2;
    case ActionKind::kStep:
      return 3;
    case ActionKind::kEvaluate:
      return 4;
    case ActionKind::kCheckpoint:
      return 5;
  }
  return 0;
}

struct Stage {
  std::unique_ptr<Schedule> schedule;
  StageState state;
  std::vector<std::array<double, kKinds>> seconds;  // by chunk, of each kind of action
  Action running = {ActionKind::kForward};
  bool is_busy = false;
  bool is_changed = false;  // may have something to do now
  StageAccount account;
};

// One direction between two neighbours.
struct Link {
  double latency_seconds = 0;
  int64_t transmission = 0;  // ns a frame
  int64_t free_at = 0;       // ns
  int64_t last_arrival = 0;  // ns
  int64_t frames = 0;
};

class Engine {
 public:
  Engine(const ScheduleConfig& config, const SimulatedCosts& costs,
         const SimulationOptions& options);

  absl::StatusOr<Simulation> Run();

 private:
  void Change(int32_t stage);
  void Decide(int32_t stage);
  void Apply(const SimulatedEvent& event);
  void EndAction(int32_t stage);
  void Arrive(int32_t stage, What what);
  // A frame from `from` to its neighbour `to`.
  void Send(int32_t from, int32_t to, What what);
  bool AllWaitFor(Wait wait) const;
  // Whether there was a pause, and every stage is drained.
  bool EndPause();
  absl::Status Stuck() const;
  Simulation Summary();
  void SetThroughput(Simulation& run) const;

  const ScheduleConfig config_;
  const SimulatedCosts& costs_;
  std::vector<Stage> stages_;
  std::vector<Link> links_;  // 2 i: from stage i to the next, round the ring; 2 i + 1: back
  std::vector<int32_t> changed_;
  EventHeap events_;
  int64_t now_ = 0;  // ns
  absl::Status broken_;
  std::vector<double> last_stage_update_seconds_;
  std::vector<double> update_seconds_;
};

std::array<double, kKinds> SecondsByKind(const StageCosts& costs, bool splits_backward) {
  const double input = costs.backward_input_seconds;
  const double weight = costs.backward_weight_seconds;
  std::array<double, kKinds> seconds{};
  seconds[IndexOf(ActionKind::kForward)] = costs.forward_seconds;
  seconds[IndexOf(ActionKind::kBackward)] = splits_backward ? input : input + weight;
  seconds[IndexOf(ActionKind::kWeights)] = weight;
  seconds[IndexOf(ActionKind::kStep)] = costs.update_seconds;
  seconds[IndexOf(ActionKind::kEvaluate)] = costs.evaluate_seconds;
  seconds[IndexOf(ActionKind::kCheckpoint)] = costs.checkpoint_seconds;
  for (double& value : seconds) value *= costs.slowdown;
  return seconds;
}

double SumOverChunks(const std::vector<std::array<double, kKinds>>& seconds, size_t kind) {
  double sum = 0;
  for (const auto& of_chunk : seconds) sum += of_chunk[kind];
  return sum;
}

Engine::Engine(const ScheduleConfig& config, const SimulatedCosts& costs,
               const SimulationOptions& options)
    : config_(config), costs_(costs) {
  for (int64_t i = 0; i < config.stages; ++i) {
    std::unique_ptr<Schedule> schedule = MakeSchedule(config, i);
    std::vector<std::array<double, kKinds>> seconds;
    for (int64_t c = 0; c < config.chunks; ++c) {
      seconds.push_back(
          SecondsByKind(costs.stages[c * config.stages + i], schedule->SplitsBackward()));
    }
    StageState state = schedule->Begin();
    if (options.pause_at_update) state.hold_at = *options.pause_at_update * config.accumulation;
    stages_.push_back({.schedule = std::move(schedule),
                       .state = state,
                       .seconds = std::move(seconds),
                       .account = StageAccount(config, options.keeps_trace)});
  }
  links_.resize(2 * config.stages);
  for (size_t i = 0; i < links_.size() && !costs.links.empty(); ++i) {
    const LinkCosts& link = costs.links[std::min(i / 2, costs.links.size() - 1)];
    links_[i].latency_seconds = link.latency_seconds;
    links_[i].transmission = ToNanoseconds(link.TransmissionSeconds());
  }
}

absl::StatusOr<Simulation> Engine::Run() {
  for (size_t i = 0; i < stages_.size(); ++i) Change(static_cast<int32_t>(i));
  while (true) {
    for (const int32_t stage : changed_) Decide(stage);
    changed_.clear();
    if (!broken_.ok()) break;
    if (events_.empty()) {
      if (!EndPause()) break;
      continue;
    }
    now_ = events_.top().nanoseconds;
    while (!events_.empty() && events_.top().nanoseconds == now_) Apply(events_.Pop());
  }
  if (!broken_.ok()) return broken_;
  if (!AllWaitFor(Wait::kFinished)) return Stuck();
  return Summary();
}

void Engine::Change(int32_t stage) {
  if (std::exchange(stages_[stage].is_changed, true)) return;
  changed_.push_back(stage);
}

void Engine::Decide(int32_t i) {
  Stage& stage = stages_[i];
  stage.is_changed = false;
  if (stage.is_busy) return;
  const Decision decision = stage.schedule->Next(stage.state);
  if (!decision.action) return;
  stage.is_busy = true;
  stage.running = *decision.action;
  const size_t kind = IndexOf(stage.running.kind);
  const double factor = costs_.jitter.OfAction(i, stage.running);
  double seconds = stage.seconds[stage.running.chunk][kind];
  // One update of all chunks.
  if (stage.running.kind == ActionKind::kStep) seconds = SumOverChunks(stage.seconds, kind);
  const int64_t nanoseconds = ToNanoseconds(seconds * factor);
  stage.account.Begin(stage.running, stage.state, now_, nanoseconds);
  events_.Push({now_ + nanoseconds, i, What::kActionEnds});
}

void Engine::Apply(const SimulatedEvent& event) {
  if (event.what == What::kActionEnds) {
    EndAction(event.stage);
  } else {
    Arrive(event.stage, event.what);
  }
}

void Engine::EndAction(int32_t i) {
  Stage& stage = stages_[i];
  stage.is_busy = false;
  Change(i);
  stage.schedule->Finish(stage.running, stage.state);
  const auto stages = static_cast<int32_t>(config_.stages);
  const int32_t next = (i + 1) % stages;
  const int32_t previous = (i + stages - 1) % stages;
  const bool makes_frame = stage.schedule->MakesFrame(stage.running);
  switch (stage.running.kind) {
    case ActionKind::kForward:
      if (makes_frame) Send(i, next, What::kActivation);
      break;
    case ActionKind::kBackward:
      if (makes_frame) Send(i, previous, What::kGradient);
      break;
    case ActionKind::kEvaluate:
      if (makes_frame) Send(i, next, What::kEvaluationActivation);
      break;
    case ActionKind::kStep:
      stage.account.EndUpdate(stage.state.updates);
      update_seconds_.resize(
          std::max(update_seconds_.size(), static_cast<size_t>(stage.state.updates)));
      update_seconds_[stage.running.index] = ToSeconds(now_);
      if (stage.schedule->is_last()) last_stage_update_seconds_.push_back(ToSeconds(now_));
      break;
    case ActionKind::kWeights:
    case ActionKind::kCheckpoint:
      break;
  }
  const absl::Status valid = stage.schedule->CheckInvariants(stage.state);
  if (!valid.ok() && broken_.ok()) broken_ = valid;
}

void Engine::Arrive(int32_t i, What what) {
  StageState& state = stages_[i].state;
  if (what == What::kActivation) ++state.activations;
  if (what == What::kGradient) ++state.gradients;
  if (what == What::kEvaluationActivation) ++state.evaluation_activations;
  Change(i);
}

void Engine::Send(int32_t from, int32_t to, What what) {
  Link& link = links_[2 * static_cast<size_t>(what == What::kGradient ? to : from) +
                      (what == What::kGradient ? 1 : 0)];
  const double factor =
      link.latency_seconds > 0 ? costs_.jitter.OfFrame(from, to, link.frames++) : 1;
  link.free_at = std::max(now_, link.free_at) + link.transmission;
  link.last_arrival =
      std::max(link.last_arrival, link.free_at + ToNanoseconds(link.latency_seconds * factor));
  if (link.last_arrival == now_) return Arrive(to, what);
  events_.Push({link.last_arrival, to, what});
}

bool Engine::AllWaitFor(Wait wait) const {
  return std::all_of(stages_.begin(), stages_.end(), [wait](const Stage& stage) {
    return stage.schedule->Next(stage.state).wait == wait;
  });
}

bool Engine::EndPause() {
  if (!AllWaitFor(Wait::kHold)) return false;
  for (size_t i = 0; i < stages_.size(); ++i) {
    stages_[i].state.hold_at = kNoHold;
    Change(static_cast<int32_t>(i));
  }
  return true;
}

absl::Status Engine::Stuck() const {
  constexpr size_t kNamed = 8;
  std::string text = absl::StrCat("the pipeline stands still after ", ToSeconds(now_), " seconds");
  size_t waiting = 0;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const Wait wait = stages_[i].schedule->Next(stages_[i].state).wait;
    if (wait == Wait::kFinished || ++waiting > kNamed) continue;
    absl::StrAppend(&text, "; stage ", i, ", ", stages_[i].state.updates, " of ",
                    config_.milestones.updates, " updates done, waits for ", ToString(wait));
  }
  if (waiting > kNamed) absl::StrAppend(&text, "; and ", waiting - kNamed, " more stages");
  return absl::InternalError(text);
}

Simulation Engine::Summary() {
  Simulation run;
  run.end_seconds = ToSeconds(now_);
  double busy = 0;
  for (const Stage& stage : stages_) {
    run.stages.push_back(stage.account.Finish(now_));
    busy += run.stages.back().BusySeconds();
  }
  const double span = static_cast<double>(config_.stages) * run.end_seconds;
  run.bubble_share = span > 0 ? std::max(0.0, 1 - busy / span) : 0;
  run.last_stage_update_seconds = std::move(last_stage_update_seconds_);
  run.update_seconds = std::move(update_seconds_);
  SetThroughput(run);
  return run;
}

void Engine::SetThroughput(Simulation& run) const {
  const int64_t a = config_.accumulation;
  const int64_t updates = config_.milestones.updates;
  const int64_t filling = std::min((config_.stages + a - 1) / a, updates - 1);
  const double from = filling > 0 ? run.update_seconds[filling - 1] : 0;
  const double seconds = run.update_seconds.back() - from;
  run.micro_batches_per_second = static_cast<double>((updates - filling) * a) / seconds;
  double slowest = 0;
  for (int64_t i = 0; i < config_.stages; ++i) {
    double seconds = 0;
    for (int64_t c = 0; c < config_.chunks; ++c) {
      seconds += costs_.stages[c * config_.stages + i].SecondsOfMicroBatch(a);
    }
    slowest = std::max(slowest, seconds);
  }
  run.limit_micro_batches_per_second = 1 / slowest;
}

}  // namespace

double Simulation::ShareOfLimit() const {
  if (std::isinf(limit_micro_batches_per_second)) return 1;
  return micro_batches_per_second / limit_micro_batches_per_second;
}

absl::StatusOr<Simulation> Simulate(const ScheduleConfig& config, const SimulatedCosts& costs,
                                    const SimulationOptions& options) {
  const absl::Status valid = CheckCosts(config, costs);
  if (!valid.ok()) return valid;
  return Engine(config, costs, options).Run();
}

}  // namespace paci
