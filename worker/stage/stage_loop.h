#pragma once

// One stage of a pipeline, running: asks its Schedule what comes next, has its StageCompute do it,
// and moves frames to and from its two neighbours. Every schedule runs in this one loop; it blocks
// on arrivals and never polls. No LibTorch in here, so that the loop is tested, emulated and
// measured without.

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "common/schedule/schedule.h"
#include "common/transport/channel.h"
#include "worker/stage/activity_book.h"
#include "worker/stage/checkpoint_writer.h"
#include "worker/stage/compute.h"
#include "worker/stage/inbox.h"
#include "worker/stage/slot_pool.h"
#include "worker/stage/stage_monitor.h"
#include "worker/stage/state_copies.h"
#include "worker/stage/version_tracker.h"

namespace paci {

// A stage's ends of its four channels; those of a neighbour that does not exist are null.
struct StageChannels {
  std::unique_ptr<ReceiveChannel> activations_in;
  std::unique_ptr<SendChannel> activations_out;
  std::unique_ptr<ReceiveChannel> gradients_in;
  std::unique_ptr<SendChannel> gradients_out;
};

// Run on one thread, once; Stop and Hold are thread-safe. The compute must be prepared with
// SlotCount and ReturnCount buffers, and outlives the loop, as does the monitor.
class StageLoop {
 public:
  static int SlotCount(const Schedule& schedule);
  static int ReturnCount() { return 2; }

  // `replicator` may be null: then no neighbour keeps a copy of the stage.
  StageLoop(std::unique_ptr<Schedule> schedule, StageCompute* compute, StageChannels channels,
            StageMonitor* monitor, std::unique_ptr<Replicator> replicator = nullptr);
  ~StageLoop();

  // Trains until the schedule is finished, the last frame has left and the last checkpoint is
  // written. Errors: the first failure of a channel or of the compute; the reason given to Stop. A
  // checkpoint that cannot be written is none: its part says so, and training goes on.
  absl::Status Run();

  // Ends Run with `reason` after the action at hand, and the write of a checkpoint that is under
  // way.
  void Stop(const absl::Status& reason);

  // A pause: no micro-batch of a later update than those that are begun. At the first stage
  // `at_update` is chosen here and returned; elsewhere it is what the first stage chose.
  int64_t HoldAtFirstStage();
  void HoldAt(int64_t at_update);
  void Resume();

 private:
  absl::Status RunSchedule();
  // Waits until there is something to do. nullopt: finished.
  absl::StatusOr<std::optional<Action>> AwaitAction();
  // What the action needs beside its inputs: a free slot, an output that has left.
  bool IsAwaitingSend(Action action) const;
  bool IsSendPending() const;
  // The first stage's forward against a hold that came in the meantime.
  bool MayBegin(Action action);
  absl::Status Perform(Action action);
  absl::Status Do(Action action);
  absl::Status Forward(Action action);
  absl::Status Backward(Action action);
  absl::Status BackwardWeights(int64_t micro_batch);
  absl::Status Step(int64_t update);
  absl::Status Evaluate(Action action);
  absl::Status Checkpoint();
  void Replicate();

  // Also posts receives into what has become free, so that no wait begins without them.
  void TakeArrivals(const Arrivals& arrivals);
  void PrepareInputs();
  void ReceiveInput(Action action, int slot);
  void PostGradients();
  void SendOutput(Action action, int slot, absl::Span<const std::byte> output);
  void SendGradient(Action action, int slot, absl::Span<const std::byte> gradient);
  void ReceiveTied(ReceiveChannel& channel, Action action,
                   const absl::StatusOr<absl::Span<std::byte>>& into);
  void SendTied(SendChannel& channel, Action action,
                const absl::StatusOr<absl::Span<const std::byte>>& values);
  int TakePreparedSlot();
  void CountBytes();
  // So that the neighbours learn at once of a failure here.
  void CloseChannels(const absl::Status& reason);
  v1::MetricPoint PointNow() const;
  // What of `wait` is awaited.
  std::optional<Action> Awaited(Wait wait) const;

  const std::unique_ptr<Schedule> schedule_;
  StageCompute* const compute_;
  StageMonitor* const monitor_;
  SpanRecorder& spans_;
  ActivityBook book_;
  Inbox inbox_;

  // The rest is touched by the thread of Run only.
  StageState state_;
  Arrivals arrivals_;
  SlotPool slots_;
  PreparedInputs prepared_;         // have a slot, and a receive into it if a frame comes
  std::deque<int> prepared_slots_;  // of those whose action has not begun, oldest first
  int64_t posted_gradients_;        // for which a receive was posted
  // Between forward and backward, by micro-batch and chunk.
  struct InFlight {
    int slot;
    int64_t outputs_queued;  // when its output was
  };
  std::map<std::pair<int64_t, int64_t>, InFlight> in_flight_;
  // Slots whose input half is done and whose weight half is not, and the gradients queued then.
  std::deque<std::pair<int, int64_t>> half_done_slots_;
  // Slots whose action is done, in order, and how many sends must be through before they are free.
  struct Leaving {
    int slot;
    int64_t outputs_sent;
    int64_t gradients_sent;
  };
  std::deque<Leaving> leaving_slots_;
  int64_t outputs_queued_ = 0;
  int64_t gradients_queued_ = 0;
  VersionTracker versions_;
  std::optional<double> validation_loss_;  // last stage: of the weights as they are
  CheckpointWriter checkpoints_;
  const std::unique_ptr<Replicator> replicator_;
  std::chrono::steady_clock::time_point started_;

  // Last: destroyed first, so that no callback outlives what it touches.
  StageChannels channels_;
};

}  // namespace paci
