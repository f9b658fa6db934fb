#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "common/schedule/schedule.h"
#include "common/simulator/simulator.h"

namespace paci {

// Nanoseconds below 2^53 have seconds of their own.
inline double ToSeconds(int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e9; }

// Writes down what one stage does. Single-threaded.
class StageAccount {
 public:
  StageAccount(const ScheduleConfig& config, bool keeps_trace);

  // `action` begins; `state` is before it.
  void Begin(Action action, const StageState& state, int64_t start, int64_t nanoseconds);
  // An update is done; `updates` counts it.
  void EndUpdate(int64_t updates);

  SimulatedStage Finish(int64_t end) const;

 private:
  // Micro-batches in flight whose forward used one version. Versions never fall, so neighbours
  // with the same one share an entry.
  struct Run {
    int64_t version;
    int64_t micro_batches;
  };

  void BeginForward(const StageState& state, int64_t version);
  // Returns the version that the backward uses.
  int64_t BeginBackward(const StageState& state);
  void Hold(int64_t chunk);
  void CountVersions(int64_t updates);

  const WeightPolicy weights_;
  const int64_t accumulation_;
  const bool keeps_trace_;
  SimulatedStage stage_;  // what is counted or listed; times are below
  std::deque<Run> in_flight_;
  std::vector<int64_t> held_of_chunk_;  // between forward and backward
  int64_t forward_ = 0, backward_ = 0, weight_halves_ = 0, update_ = 0, milestone_ = 0;  // ns
};

}  // namespace paci
