#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/schedule/schedule.h"

namespace paci {

// Drives the schedules of a whole pipeline in virtual time: every action takes a duration, every
// frame a delay, and frames of one link stay in order. Deterministic for given costs.
// Single-threaded.
struct VirtualCosts {
  std::function<int64_t(int64_t stage, Action action)> duration;
  std::function<int64_t(int64_t from_stage, int64_t to_stage)> delay;
};

struct VirtualStage {
  std::vector<Action> trace;
  int64_t max_in_flight = 0;
  int64_t max_held = 0;                    // activations
  std::vector<int64_t> forward_versions;   // of each micro-batch: the weights that it used
  std::vector<int64_t> backward_versions;  // the same of its backward
  std::vector<int64_t> lags;               // updates done at its backward, less its forward version
  std::vector<int64_t>
      seen_update;   // of each validation micro-batch: updates done here when it was run
  int64_t busy = 0;  // time units
};

struct VirtualRun {
  std::vector<VirtualStage> stages;
  int64_t end = 0;      // time of the last action's end
  std::string stuck;    // who waits for what, if the pipeline stood still before it was finished
  absl::Status broken;  // the first invariant that did not hold
};

// The indices of the actions of one kind, in their order.
std::vector<int64_t> IndicesOf(const std::vector<Action>& trace, ActionKind kind);
// 0, 1 ... count - 1
std::vector<int64_t> CountTo(int64_t count);

VirtualRun RunVirtualPipeline(const ScheduleConfig& config, const VirtualCosts& costs);

}  // namespace paci
