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
#include "common/schedule/pass_order.h"
#include "common/schedule/weight_policy.h"

namespace paci {

enum class Order {
  kDrainFirst,   // every gradient that has arrived, then one forward (PACI, Algorithm 1)
  kStrict,       // warm-up, then one backward, one forward, by count and not by arrival
  kFillDrain,    // all forwards of an update, then all its backwards (GPipe)
  kInterleaved,  // as kStrict, over several model chunks a stage (Megatron-LM)
  kSplit1,       // backwards in two halves, the memory of 1F1B's first stage (ZB-H1)
  kSplit2,       // backwards in two halves, twice that memory (ZB-2p)
};

enum class UpdateBoundary {
  kFlush,              // the pipeline is empty when weights change
  kLocalAccumulation,  // after every a-th backward of this stage, whoever is in flight
};

// The shape of one run, the same on every stage.
struct ScheduleConfig {
  int64_t stages = 1;        // N
  int64_t chunks = 1;        // v: of the model, a stage; above 1 with kInterleaved only
  int64_t accumulation = 1;  // a; with kInterleaved a multiple of N
  Order order = Order::kDrainFirst;
  UpdateBoundary boundary = UpdateBoundary::kLocalAccumulation;
  WeightPolicy weights = WeightPolicy::kCurrent;
  int64_t extra_in_flight = 0;  // beyond N - i, except at the last stage
  // With kLocalAccumulation: the first and the last so many updates of the run are flushed.
  int64_t flush_first = 0;
  int64_t flush_last = 0;
  int64_t first_update = 0;  // updates that were done before: those of the run's checkpoint
  Milestones milestones;     // says how many updates there are, too

  // Whether the micro-batches of `update` wait until the one before it is done. A run that flushes
  // at first goes over without a drain: the first update that does not wait finds the pipeline
  // full.
  bool Flushes(int64_t update) const {
    return boundary == UpdateBoundary::kFlush || update < flush_first ||
           update >= milestones.updates - flush_last;
  }
  int64_t MicroBatches() const { return accumulation * milestones.updates; }
  // Forwards, and backwards, of a stage: a micro-batch passes each of its chunks.
  int64_t PassesPerUpdate() const { return accumulation * chunks; }
  int64_t Passes() const { return PassesPerUpdate() * milestones.updates; }
};

inline constexpr int64_t kNoHold = INT64_MAX;

// What a stage has done and what has arrived. Forwards, backwards and evaluations are passes of a
// micro-batch through one chunk; p of them are an update's. Invariants, checked by CheckInvariants:
//   0 <= weight_halves <= backwards <= forwards <= backwards + InFlightCap
//   forwards <= weight_halves + ActivationCap
//   updates * p <= weight_halves, backwards <= (updates + 1) * p
//   ActivationsUsed(forwards) <= activations, GradientsUsed(backwards) <= gradients
struct StageState {
  // Finished here.
  int64_t forwards = 0;
  int64_t backwards = 0;
  int64_t weight_halves = 0;  // as many as backwards where the schedule does not split them
  int64_t updates = 0;
  int64_t evaluations = 0;
  int64_t checkpoints = 0;
  // Frames that arrived.
  int64_t activations = 0;
  int64_t gradients = 0;
  int64_t evaluation_activations = 0;
  // A pause: no forward of this micro-batch or a later one. A multiple of a.
  int64_t hold_at = kNoHold;

  int64_t InFlight() const { return forwards - backwards; }
  // Passes whose activations are still needed.
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

// Inputs that are prepared for: forwards, and passes of validation micro-batches.
struct PreparedInputs {
  int64_t forwards = 0;
  int64_t evaluations = 0;
};

// One stage's order of work. Immutable and deterministic: the same state gives the same decision,
// on any thread.
class Schedule {
 public:
  Schedule(const ScheduleConfig& config, int64_t stage)
      : config_(config),
        stage_(stage),
        passes_(config.stages, config.chunks, config.accumulation),
        evaluation_passes_(config.stages, config.chunks, config.milestones.eval_batches) {}
  virtual ~Schedule() = default;
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  virtual Decision Next(const StageState& state) const = 0;

  // The forward or evaluation whose input comes next after those in `prepared`; nullopt: none is
  // left. A neighbour's frames come in this order.
  std::optional<Action> NextInput(const PreparedInputs& prepared) const;
  // The backward of the `frame`-th gradient that arrives; nullopt: there are not so many.
  std::optional<Action> BackwardOfGradient(int64_t frame) const;
  // Whether `action` begins with a neighbour's frame, and whether it ends with one for the next.
  // The first chunk of the first stage and the last of the last are the ends of the model.
  bool TakesFrame(Action action) const;
  bool MakesFrame(Action action) const;
  // Frames that the first so many forwards, evaluations or backwards have used.
  int64_t ActivationsUsed(int64_t forwards) const;
  int64_t EvaluationActivationsUsed(int64_t evaluations) const;
  int64_t GradientsUsed(int64_t backwards) const;

  // Most passes between forward and backward: N - i (PACI, section 3) and what the configuration
  // adds to it.
  virtual int64_t InFlightCap() const;
  // Most passes whose activations are held: between forward and weight half.
  virtual int64_t ActivationCap() const { return InFlightCap(); }
  // Whether a backward is two actions, kBackward and kWeights.
  virtual bool SplitsBackward() const { return false; }
  // Most updates between the weights of a micro-batch's forward and its backward: with a cap of c,
  // ceil((c - 1) / a), and so ceil((N-1-i)/a); 0 if all updates flush; 1 with a double buffer.
  int64_t LagBound() const;
  // Updates between a micro-batch's forward and its backward, the mean over those of `update` while
  // the pipeline is full: with a cap of c, (c - 1) / a, and so (N-1-i)/a; never more than there
  // were updates that did not wait; 0 with a flush; 1 with a double buffer.
  double MeanLag(int64_t update) const;
  // The same of an update long after any that flushed.
  double FullMeanLag() const;
  // Of a stage that has done the first `first_update` updates and all that comes with them, and is
  // drained.
  StageState Begin() const;
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
  // The next of each.
  Decision Forward(const StageState& state) const;
  Decision Backward(const StageState& state) const;

 private:
  // Of the pass that is the `pass`-th of its kind.
  Action ForwardAt(int64_t pass) const;
  Action BackwardAt(int64_t pass) const;
  Action EvaluationAt(int64_t pass) const;
  int64_t EvaluationPassesDue(int64_t update) const;
  // `pass` is of a micro-batch that a pause keeps back.
  bool IsKeptBack(int64_t pass, const StageState& state) const;

  const ScheduleConfig config_;
  const int64_t stage_;
  const PassOrder passes_;
  const PassOrder evaluation_passes_;
};

std::unique_ptr<Schedule> MakeSchedule(const ScheduleConfig& config, int64_t stage);

}  // namespace paci
