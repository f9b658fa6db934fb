#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/simulator/plan_costs.h"
#include "common/simulator/simulator.h"
#include "common/simulator/stage_memory.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Which pipelines to try for a job, every combination of the lists, and on what.
struct PlanRequest {
  std::vector<int64_t> stages;
  std::vector<std::string> schedules;
  std::vector<int64_t> accumulations;
  std::optional<UnitSeconds> measured;  // else the job's emulation, else its arithmetic
  std::string measured_source = "measured seconds by unit";  // a phrase
  double device_flops = kDefaultDeviceFlops;
  std::optional<int64_t> device_memory_bytes;  // unknown: everything fits
  LinkCosts link;                              // between neighbours; frame_bytes is the job's
  Jitter jitter;
  // By stage, of stragglers, which the partition does not know of.
  std::map<int64_t, double> slowdowns;
};

struct PlanKey {
  std::string schedule;
  int64_t stages = 1;
  int64_t accumulation = 1;
};
// "paci, 4 stages, accumulation 8"
std::string ToString(const PlanKey& key);

struct PlanChoice {
  PlanKey key;
  double tokens_per_second = 0;  // once the pipeline is full
  double share_of_limit = 0;     // of the slowest stage's own speed
  double bubble_share = 0;       // of the stages' time, once the pipeline is full
  double lag_mean = 0;           // over stages and micro-batches
  int64_t lag_max = 0;
  StageMemory memory;  // of the stage that needs most
  int64_t memory_stage = 0;
  bool fits = true;
  // What was simulated: Simulate(config, costs) tells the rest.
  ScheduleConfig config;
  SimulatedCosts costs;
};

struct SkippedChoice {
  PlanKey key;
  std::string reason;
};

struct Plan {
  std::string costs;                   // where they come from, a phrase
  std::vector<PlanChoice> choices;     // the fastest first
  std::vector<SkippedChoice> skipped;  // break a rule of the job file
  std::optional<size_t> recommended;   // of `choices`
  std::string reason;                  // one sentence; recommendation.h has the rule
};

// Simulates every combination for max(4, ceil(16 N / a)) updates, without validation and
// checkpoints. `spec` is valid. INVALID_ARGUMENT: an empty list, a schedule
// that does not exist, or a straggler that is not among the stages.
absl::StatusOr<Plan> MakePlan(const v1::JobSpec& spec, const PlanRequest& request);

}  // namespace paci
