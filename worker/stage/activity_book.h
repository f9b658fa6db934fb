#pragma once

#include <chrono>
#include <deque>

#include "worker/stage/activity.h"
#include "worker/stage/compute.h"
#include "worker/stage/span_recorder.h"
#include "worker/stage/stage_monitor.h"

namespace paci {

// Where a stage's wall-clock goes, for its monitor and its trace. Where the compute runs ahead of a
// device the device's time counts: what its actions took, and between two of them, while it had
// nothing to do, what the host was waiting for. Single-threaded.
class ActivityBook {
 public:
  using Clock = std::chrono::steady_clock;

  // Both outlive it.
  ActivityBook(StageCompute* compute, StageMonitor* monitor)
      : compute_(*compute), monitor_(*monitor), spans_(*monitor->spans()) {}

  // The clock starts.
  void Begin() { booked_ = began_ = Clock::now(); }
  // The time since the last call went into `activity`: on the host, a wait or what is beside it.
  void Book(Activity activity);
  // The same, for what a trace shows as a span.
  void Book(Activity activity, const SpanKey& key);
  // An action was done, or put on the device.
  void BookAction(Activity activity, const SpanKey& key);
  // Waits until nothing is left to book.
  void Settle() { TakeTimes(/*all=*/true); }

  // Of the last call.
  Clock::time_point booked() const { return booked_; }

 private:
  struct Part {
    Activity activity = Activity::kOther;
    SpanKey key;
    bool has_span = false;
  };
  struct Action {
    Part before;  // what the host did before it
    Part action;
  };
  void TakeTimes(bool all);
  void Add(const Part& part, double begin_seconds, double seconds);

  StageCompute& compute_;
  StageMonitor& monitor_;
  SpanRecorder& spans_;
  Clock::time_point began_;
  Clock::time_point booked_;
  Part before_;
  std::deque<Action> on_device_;  // oldest first
};

}  // namespace paci
