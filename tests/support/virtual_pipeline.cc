#include "tests/support/virtual_pipeline.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

struct Stage {
  std::unique_ptr<Schedule> schedule;
  StageState state;
  bool is_busy = false;
  std::deque<int64_t> forward_versions;  // of the micro-batches in flight
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
      now_ = events_.begin()->first.first;
      // All that happens at one time is known before anybody decides.
      while (!events_.empty() && events_.begin()->first.first == now_) {
        const std::function<void()> happen = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        happen();
      }
      for (const int64_t stage : std::exchange(changed_, {})) Advance(stage);
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
      changed_.insert(i);
    });
  }

  void Begin(int64_t i, Action action) {
    Stage& stage = stages_[i];
    VirtualStage& seen = run_.stages[i];
    seen.trace.push_back(action);
    const int64_t updates = stage.state.updates;
    if (action.kind == ActionKind::kForward) {
      seen.forward_versions.push_back(
          ForwardVersion(config_.weights, config_.accumulation, action.index, updates));
      stage.forward_versions.push_back(seen.forward_versions.back());
      seen.max_in_flight = std::max(seen.max_in_flight, stage.state.InFlight() + 1);
      seen.max_held = std::max(seen.max_held, stage.state.Held() + 1);
    } else if (action.kind == ActionKind::kBackward) {
      const int64_t forward_version = stage.forward_versions.front();
      stage.forward_versions.pop_front();
      seen.backward_versions.push_back(BackwardVersion(config_.weights, forward_version, updates));
      seen.lags.push_back(updates - forward_version);
    } else if (action.kind == ActionKind::kEvaluate) {
      seen.seen_update.push_back(stage.state.updates);
    }
  }

  void End(int64_t i, Action action) {
    StageState& state = stages_[i].state;
    stages_[i].schedule->Finish(action, state);
    if (action.kind == ActionKind::kForward) {
      Deliver(i, i + 1, [](StageState& to) { ++to.activations; });
    } else if (action.kind == ActionKind::kBackward) {
      Deliver(i, i - 1, [](StageState& to) { ++to.gradients; });
    } else if (action.kind == ActionKind::kEvaluate) {
      Deliver(i, i + 1, [](StageState& to) { ++to.evaluation_activations; });
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
      changed_.insert(to);
    });
  }

  const ScheduleConfig config_;
  const VirtualCosts costs_;
  VirtualRun run_;
  std::vector<Stage> stages_;
  std::set<int64_t> changed_;  // stages that may have something to do now
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
