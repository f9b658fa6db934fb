#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "common/schedule/schedule.h"

namespace paci {

// How long one stage's actions take, in seconds, finite and >= 0. The simulator counts whole
// nanoseconds.
struct StageCosts {
  double forward_seconds = 0;          // of a micro-batch
  double backward_input_seconds = 0;   // of a micro-batch; a schedule that does not split backwards
  double backward_weight_seconds = 0;  // does both halves at once
  double update_seconds = 0;
  double evaluate_seconds = 0;  // of a validation micro-batch
  double checkpoint_seconds = 0;
  double slowdown = 1;  // of a straggler: times each of the above; finite and > 0

  // What one micro-batch keeps the stage busy for, its share of the update included.
  double SecondsOfMicroBatch(int64_t accumulation) const;
};

// Between a stage and the next, each direction by itself: frames keep their order, and occupy the
// link one after another for bytes / bandwidth.
struct LinkCosts {
  double latency_seconds = 0;
  double bytes_per_second = std::numeric_limits<double>::infinity();  // > 0
  double frame_bytes = 0;

  // What one frame occupies the link for.
  double TransmissionSeconds() const { return frame_bytes / bytes_per_second; }
};

// Random factors of mean 1 on every duration and every latency. A factor depends on the seed, the
// place and the action or frame alone, so that two schedules are compared under the same
// disturbances.
struct Jitter {
  enum class Kind { kNone, kNormal, kLognormal };
  static constexpr double kMaxRelativeDeviation = 10;

  Kind kind = Kind::kNone;
  double relative_deviation = 0;  // standard deviation over mean, in [0, kMaxRelativeDeviation]
  uint64_t seed = 0;

  // A normal one is cut at 0.
  double OfAction(int64_t stage, Action action) const;
  // Of the latency of the `frame`-th frame from a stage to its neighbour.
  double OfFrame(int64_t from, int64_t to, int64_t frame) const;

 private:
  double Factor(uint64_t place, uint64_t sort, uint64_t index) const;
};

struct SimulatedCosts {
  // Chunk c of stage i is entry c * N + i; with one chunk a stage, N entries.
  std::vector<StageCosts> stages;
  // Between neighbours, N - 1; empty: frames arrive at once. What closes the ring of stages with
  // several chunks is as the last of them.
  std::vector<LinkCosts> links;
  Jitter jitter;

  // N times the same.
  static SimulatedCosts Equal(int64_t stages, const StageCosts& stage, const LinkCosts& link = {});
};

// INVALID_ARGUMENT, naming the stage or link and the value, when `costs` are no costs of such a
// run, or the run could take longer than nanoseconds count.
absl::Status CheckCosts(const ScheduleConfig& config, const SimulatedCosts& costs);

}  // namespace paci
