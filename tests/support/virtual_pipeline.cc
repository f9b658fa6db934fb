#include "tests/support/virtual_pipeline.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

struct Stage {
  std::unique_ptr<Schedule> schedule;
  StageState state;
  bool is_busy = false;
  std::deque<int64_t> forward_updates;
};

class Driver {
 public:
  Driver(const ScheduleConfig& config, const VirtualCosts& costs) : config_(config), costs_(costs) {
    run_.stages.resize(config.stages);
    for (int64_t i = 0; i < config.stages; ++i) {
      stages_.push_back({MakeSchedule(config, i), {}, false, {}});
    }
  }

  VirtualRun Run() {
    for (int64_t i = 0; i < config_.stages; ++i) Advance(i);
    while (!events_.empty()) {
      auto event = events_.begin();
      now_ = event->first.first;
      const std::function<void()> happen = std::move(event->second);
      events_.erase(event);
      happen();
    }
    run_.end = now_;
    for (int64_t i = 0; i < config_.stages; ++i) {
      const Decision decision = stages_[i].schedule->Next(stages_[i].state);
      if (decision.wait != Wait::kFinished) {
        absl::StrAppend(&run_.stuck, "stage ", i, " waits for ", ToString(decision.wait), "; ");
      }
    }
    return std::move(run_);
  }

 private:
  void At(int64_t time, std::function<void()> happen) {
    events_.emplace(std::make_pair(time, sequence_++), std::move(happen));
  }

  void Advance(int64_t i) {
    Stage& stage = stages_[i];
    if (stage.is_busy) return;
    const Decision decision = stage.schedule->Next(stage.state);
    if (!decision.action) return;
    const Action action = *decision.action;
    Begin(i, action);
    stage.is_busy = true;
    const int64_t duration = costs_.duration(i, action);
    run_.stages[i].busy += duration;
    At(now_ + duration, [this, i, action] {
      stages_[i].is_busy = false;
      End(i, action);
      Advance(i);
    });
  }

  void Begin(int64_t i, Action action) {
    Stage& stage = stages_[i];
    VirtualStage& seen = run_.stages[i];
    seen.trace.push_back(action);
    if (action.kind == ActionKind::kForward) {
      stage.forward_updates.push_back(stage.state.updates);
      seen.max_in_flight = std::max(seen.max_in_flight, stage.state.InFlight() + 1);
    } else if (action.kind == ActionKind::kBackward) {
      seen.lags.push_back(stage.state.updates - stage.forward_updates.front());
      stage.forward_updates.pop_front();
    } else if (action.kind == ActionKind::kEvaluate) {
      seen.seen_update.push_back(stage.state.updates);
    }
  }

  void End(int64_t i, Action action) {
    StageState& state = stages_[i].state;
    switch (action.kind) {
      case ActionKind::kForward:
        ++state.forwards;
        Deliver(i, i + 1, [](StageState& to) { ++to.activations; });
        break;
      case ActionKind::kBackward:
        ++state.backwards;
        Deliver(i, i - 1, [](StageState& to) { ++to.gradients; });
        break;
      case ActionKind::kStep:
        ++state.updates;
        break;
      case ActionKind::kEvaluate:
        ++state.evaluations;
        Deliver(i, i + 1, [](StageState& to) { ++to.evaluation_activations; });
        break;
      case ActionKind::kCheckpoint:
        ++state.checkpoints;
        break;
    }
    const absl::Status valid = stages_[i].schedule->CheckInvariants(state);
    if (run_.broken.ok()) run_.broken = valid;
  }

  void Deliver(int64_t from, int64_t to, void (*arrive)(StageState&)) {
    if (to < 0 || to >= config_.stages) return;
    int64_t& last = last_arrival_[{from, to}];
    last = std::max(last, now_ + costs_.delay(from, to));
    At(last, [this, to, arrive] {
      arrive(stages_[to].state);
      Advance(to);
    });
  }

  const ScheduleConfig config_;
  const VirtualCosts costs_;
  VirtualRun run_;
  std::vector<Stage> stages_;
  int64_t now_ = 0;
  int64_t sequence_ = 0;
  std::map<std::pair<int64_t, int64_t>, std::function<void()>> events_;  // by time, then order
  std::map<std::pair<int64_t, int64_t>, int64_t> last_arrival_;          // by link
};

}  // namespace

std::vector<int64_t> IndicesOf(const std::vector<Action>& trace, ActionKind kind) {
  std::vector<int64_t> indices;
  for (const Action& action : trace) {
    if (action.kind == kind) indices.push_back(action.index);
  }
  return indices;
}

std::vector<int64_t> CountTo(int64_t count) {
  std::vector<int64_t> numbers(count);
  for (int64_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

VirtualRun RunVirtualPipeline(const ScheduleConfig& config, const VirtualCosts& costs) {
  return Driver(config, costs).Run();
}

}  // namespace paci
