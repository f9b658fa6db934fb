#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/schedule/schedule.h"
#include "paci/v1/worker.pb.h"
#include "worker/stage/activity.h"
#include "worker/stage/compute.h"
#include "worker/stage/span_recorder.h"
#include "worker/stage/version_tracker.h"

namespace paci {

// What is known of a running stage: the loop writes, reports and /metrics read. Thread-safe.
class StageMonitor {
 public:
  // `initial` carries the fields that never change: index, worker, units, caps and bounds.
  explicit StageMonitor(v1::StageStatus initial);

  // From the stage's thread.
  void OnBuilt(uint64_t parameters, const StageCompute::Data& data);
  void OnState(v1::StageState state, const std::string& error = "");
  void OnProgress(const StageState& state, bool is_held);
  void OnActivity(Activity activity, absl::Duration elapsed);
  void OnBackward(const VersionTracker::Measured& measured);
  // `poison`: where a number that was not finite came from; empty: all were.
  void OnStep(double learning_rate, double gradient_norm, bool is_skipped,
              const std::string& poison = "");
  // Where stages clip by it; `age`: in updates, of its oldest part.
  void OnPipelineNorm(double norm, int64_t age);
  // `policy_bytes`: of weights beside the weights. `peak_device_bytes`: 0 without a device.
  void OnMemory(uint64_t policy_bytes, uint64_t peak_device_bytes);
  void OnBytes(uint64_t sent, uint64_t received);
  void OnPoint(v1::MetricPoint point);
  // Of the backwards since it was last taken, their drift an update of lag; nullopt: none lagged.
  std::optional<double> TakeDriftPerLag();

  // From the thread that writes checkpoints.
  void OnCheckpoint(v1::CheckpointPart part);

  v1::StageStatus Status() const;
  // What the stage does, span by span, while somebody asks for it. Outlives the stage with whoever
  // holds it.
  const std::shared_ptr<SpanRecorder>& spans() const { return spans_; }

  // The next report: the status, and the records that no acknowledged report carried. `key` is
  // filled by the caller.
  v1::StageReport MakeReport();
  // Reports up to `sequence` are stored at the other end: their records need not be said again.
  void OnReportStored(uint64_t sequence);
  // Checkpoints up to `update` are committed or given up: their parts need not be said again.
  void OnSettled(uint64_t update);
  // The newest of them; 0: none.
  uint64_t settled_update() const;

 private:
  // Keeps a report well below a message's limit of 4 MiB.
  static constexpr size_t kMaxPointsPerReport = 4096;

  const std::shared_ptr<SpanRecorder> spans_ = std::make_shared<SpanRecorder>();
  mutable absl::Mutex mutex_;
  v1::StageStatus status_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::chrono::steady_clock::time_point> started_ ABSL_GUARDED_BY(mutex_);
  double drift_sum_ ABSL_GUARDED_BY(mutex_) = 0;  // of the backwards since the last step
  int drift_count_ ABSL_GUARDED_BY(mutex_) = 0;
  double taken_drift_sum_ ABSL_GUARDED_BY(mutex_) = 0;  // ... since the last TakeDriftPerLag
  int64_t taken_lag_sum_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_held_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::MetricPoint> points_ ABSL_GUARDED_BY(mutex_);  // not acknowledged, oldest first
  uint64_t points_stored_ ABSL_GUARDED_BY(mutex_) = 0;          // acknowledged and dropped
  // (report, points ever made up to it) of each report that is not acknowledged.
  std::deque<std::pair<uint64_t, uint64_t>> reported_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::CheckpointPart> checkpoints_ ABSL_GUARDED_BY(mutex_);
  uint64_t settled_update_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace paci
