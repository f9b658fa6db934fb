#pragma once

// The heart: what one stage of a pipeline does next. Pure logic: no threads, no clocks, no I/O, no
// tensors. The worker's stage loop, the simulator and the property tests ask the same objects.
//
// A training system is a point on three axes (docs/architecture.md):
//   order            which of {forward, backward, weight half, step} comes next  -> a Schedule
//   update boundary  when weights may change: after a flush, or every a-th local backward
//   weight policy    which weights a forward and a backward use                  -> weight_policy.h
// A name in a job file is a row of presets.h.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/schedule/action.h"
#include "common/schedule/milestones.h"
#include "common/schedule/weight_policy.h"

namespace paci {

enum class Order {
  kDrainFirst,  // every gradient that has arrived, then one forward (PACI, Algorithm 1)
  kStrict,      // warm-up, then one backward, one forward, by count and not by arrival
  kFillDrain,   // all forwards of an update, then all its backwards (GPipe)
  kSplit1,      // backwards in two halves, the memory of 1F1B's first stage (ZB-H1)
  kSplit2,      // backwards in two halves, twice that memory (ZB-2p)
};

enum class UpdateBoundary {
  kFlush,              // the pipeline is empty when weights change
  kLocalAccumulation,  // after every a-th backward of this stage, whoever is in flight
};

// The shape of one run, the same on every stage.
struct ScheduleConfig {
  int64_t stages = 1;        // N
  int64_t accumulation = 1;  // a
  Order order = Order::kDrainFirst;
  UpdateBoundary boundary = UpdateBoundary::kLocalAccumulation;
  WeightPolicy weights = WeightPolicy::kCurrent;
  int64_t extra_in_flight = 0;  // beyond N - i, except at the last stage
  Milestones milestones;        // says how many updates there are, too

  int64_t MicroBatches() const { return accumulation * milestones.updates; }
};

inline constexpr int64_t kNoHold = INT64_MAX;

// What a stage has done and what has arrived. Invariants, checked by CheckInvariants:
//   0 <= weight_halves <= backwards <= forwards <= backwards + InFlightCap
//   forwards <= weight_halves + ActivationCap
//   updates * a <= weight_halves, backwards <= (updates + 1) * a
//   forwards <= activations, backwards <= gradients, evaluations <= evaluation_activations
struct StageState {
  // Finished here.
  int64_t forwards = 0;
  int64_t backwards = 0;
  int64_t weight_halves = 0;  // as many as backwards where the schedule does not split them
  int64_t updates = 0;
  int64_t evaluations = 0;
  int64_t checkpoints = 0;
  // Arrived. At the first stage activations, and at the last stage gradients, are not awaited and
  // not counted.
  int64_t activations = 0;
  int64_t gradients = 0;
  int64_t evaluation_activations = 0;
  // A pause: no forward of this micro-batch or a later one. A multiple of a.
  int64_t hold_at = kNoHold;

  int64_t InFlight() const { return forwards - backwards; }
  // Micro-batches whose activations are still needed.
  int64_t Held() const { return forwards - weight_halves; }
};

// Why a stage does nothing.
enum class Wait {
  kNone,
  kActivation,
  kGradient,
  kEvaluation,  // a validation activation
  kHold,        // paused, and drained
  kFinished,    // nothing is left to do
};

absl::string_view ToString(Wait wait);

struct Decision {
  std::optional<Action> action;
  Wait wait = Wait::kNone;  // kNone exactly when there is an action
};

// One stage's order of work. Immutable and deterministic: the same state gives the same decision,
// on any thread.
class Schedule {
 public:
  Schedule(const ScheduleConfig& config, int64_t stage) : config_(config), stage_(stage) {}
  virtual ~Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  virtual Decision Next(const StageState& state) const = 0;

  // The frame that the upstream neighbour sends next after those that have arrived; nullopt: none
  // is left.
  std::optional<Action> NextActivation(const StageState& state) const;

  // Most micro-batches between forward and backward: N - i (PACI, section 3) and what the
  // configuration adds to it.
  virtual int64_t InFlightCap() const;
  // Most micro-batches whose activations are held: between forward and weight half.
  virtual int64_t ActivationCap() const { return InFlightCap(); }
  // Whether a backward is two actions, kBackward and kWeights.
  virtual bool SplitsBackward() const { return false; }
  // Most updates between the weights of a micro-batch's forward and its backward: with a cap of c,
  // ceil((c - 1) / a), and so ceil((N-1-i)/a); 0 with a flush; 1 with a double buffer.
  int64_t LagBound() const;
  // `action` is done: the state after it.
  void Finish(Action action, StageState& state) const;

  // INTERNAL, naming the rule, when `state` breaks one of StageState's invariants.
  absl::Status CheckInvariants(const StageState& state) const;

  const ScheduleConfig& config() const { return config_; }
  int64_t stage() const { return stage_; }
  bool is_first() const { return stage_ == 0; }
  bool is_last() const { return stage_ == config_.stages - 1; }

 protected:
  // Steps, validation and checkpoints come before micro-batches in every order: the decision if one
  // of them is due or awaited, or everything is done.
  std::optional<Decision> Boundary(const StageState& state) const;
  // Counts alone allow the next forward: cap, flush, milestones, hold, end of the run. It may still
  // have to arrive.
  bool MayForward(const StageState& state) const;
  bool ForwardIsHere(const StageState& state) const;
  bool BackwardIsHere(const StageState& state) const;

 private:
  const ScheduleConfig config_;
  const int64_t stage_;
};

std::unique_ptr<Schedule> MakeSchedule(const ScheduleConfig& config, int64_t stage);

}  // namespace paci
