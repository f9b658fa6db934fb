#pragma once

// Room: a whole pipeline in virtual time. It asks the same Schedule objects as the worker's stage
// loop, and knows nothing of orders, boundaries or policies itself: what a stage does next is the
// schedule's to say, when it is done the costs'. All that happens in one instant is known to a
// stage before it decides, as it is to a stage that reads its counters. This is the only event loop
// over schedules: tests, the planner and the charts are made from its outcome.
//
// Pure and deterministic: the same arguments give the same bits. Depends on common/schedule, for
// its traces on the format in common/telemetry; the planner beside it (planner.h) on common/config
// and common/partition as well. No threads, no clocks, no LibTorch.

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "common/schedule/schedule.h"
#include "common/simulator/costs.h"

namespace paci {

struct TimedAction {
  Action action;
  double start_seconds;
  double end_seconds;
  int64_t version;  // of the weights that it read: updates of this stage
};

// Of the backwards of a stage: the updates between the weights of a micro-batch's forward and its
// backward.
struct SimulatedLag {
  std::vector<int64_t> counts;  // [k]: backwards with lag k; the last is not 0
  int64_t max = 0;
  double mean = 0;
};

struct SimulatedStage {
  // Seconds of the run, which add up to its end.
  double forward_seconds = 0;
  double backward_seconds = 0;  // both halves where the schedule does not split them
  double weights_seconds = 0;
  double update_seconds = 0;
  double milestone_seconds = 0;  // validations and checkpoints
  double idle_seconds = 0;

  int64_t max_in_flight = 0;               // micro-batches between forward and backward
  int64_t max_held = 0;                    // micro-batches whose activations are kept
  std::vector<int64_t> max_held_of_chunk;  // of each chunk by itself
  // Copies of the weights, as the policy needs them: 1; 2 with a double buffer or a prediction; 3
  // with a correction, a running mean and an estimate beside them; with a stash the versions of the
  // micro-batches in flight and the current one.
  int64_t max_weight_versions = 1;
  SimulatedLag lag;
  std::vector<TimedAction> trace;  // empty unless it was asked for

  double BusySeconds() const {
    return forward_seconds + backward_seconds + weights_seconds + update_seconds +
           milestone_seconds;
  }
};

struct Simulation {
  std::vector<SimulatedStage> stages;
  double end_seconds = 0;                         // of the last action
  std::vector<double> last_stage_update_seconds;  // [k]: when the last stage finished update k
  std::vector<double> update_seconds;             // [k]: when every stage had finished update k

  // Micro-batches a second once the pipeline is full: over all updates but the first ceil(N / a),
  // or but the first if there are no more; the whole run's if it has one update.
  double micro_batches_per_second = 0;
  // The same if the slowest stage never waited: 1 / max(F + B + update / a), jitter aside.
  double limit_micro_batches_per_second = 0;  // infinite when nothing takes time
  // 1 - busy / (stages * end): the whole run's idle share, first fill and last drain included.
  double bubble_share = 0;

  double ShareOfLimit() const;  // 1 when nothing takes time
};

struct SimulationOptions {
  bool keeps_trace = false;
  // A pause: at the end of this update the pipeline drains, and goes on once it is empty.
  std::optional<int64_t> pause_at_update;
};

// The whole run that `config` asks for. INVALID_ARGUMENT: see CheckCosts. INTERNAL when the
// schedule is wrong: it broke an invariant, or the pipeline stands still before its end; the
// message says who waits for what. O(actions * log(stages)).
absl::StatusOr<Simulation> Simulate(const ScheduleConfig& config, const SimulatedCosts& costs,
                                    const SimulationOptions& options = {});

}  // namespace paci
