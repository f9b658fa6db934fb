#include "worker/stage/stage_monitor.h"

#include <algorithm>

#include "common/telemetry/process_memory.h"

namespace paci {
namespace {

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool IsOver(v1::StageState state) {
  return state == v1::STAGE_STATE_FINISHED || state == v1::STAGE_STATE_FAILED ||
         state == v1::STAGE_STATE_STOPPED;
}

v1::Occupation OccupationOf(const SpanRecorder& spans) {
  v1::Occupation now;
  if (const auto doing = spans.DoingNow()) {
    now.set_kind(doing->key.kind);
    now.set_index(doing->key.index);
    now.set_chunk(doing->key.chunk);
    now.set_seconds(SecondsSince(doing->since));
  }
  return now;
}

void AddSeconds(v1::ActivitySeconds& seconds, Activity activity, double elapsed) {
  switch (activity) {
    case Activity::kForward:
      return seconds.set_forward(seconds.forward() + elapsed);
    case Activity::kBackward:
      return seconds.set_backward(seconds.backward() + elapsed);
    case Activity::kWeights:
      return seconds.set_weights(seconds.weights() + elapsed);
    case Activity::kUpdate:
      return seconds.set_update(seconds.update() + elapsed);
    case Activity::kEvaluate:
      return seconds.set_evaluate(seconds.evaluate() + elapsed);
    case Activity::kCheckpoint:
      return seconds.set_checkpoint(seconds.checkpoint() + elapsed);
    case Activity::kWaitActivation:
      return seconds.set_wait_activation(seconds.wait_activation() + elapsed);
    case Activity::kWaitGradient:
      return seconds.set_wait_gradient(seconds.wait_gradient() + elapsed);
    case Activity::kWaitSend:
      return seconds.set_wait_send(seconds.wait_send() + elapsed);
    case Activity::kOther:
      return seconds.set_other(seconds.other() + elapsed);
  }
}

}  // namespace

StageMonitor::StageMonitor(v1::StageStatus initial) : status_(std::move(initial)) {}

void StageMonitor::OnBuilt(uint64_t parameters, const StageCompute::Data& data) {
  absl::MutexLock lock(&mutex_);
  status_.set_parameters(parameters);
  if (data.training) *status_.mutable_training_data() = *data.training;
  if (data.validation) *status_.mutable_validation_data() = *data.validation;
}

std::optional<double> StageMonitor::TakeDriftPerLag() {
  absl::MutexLock lock(&mutex_);
  const double drift = std::exchange(taken_drift_sum_, 0);
  const int64_t lag = std::exchange(taken_lag_sum_, 0);
  if (lag == 0) return std::nullopt;
  return drift / static_cast<double>(lag);
}

void StageMonitor::OnState(v1::StageState state, const std::string& error) {
  absl::MutexLock lock(&mutex_);
  if (state == v1::STAGE_STATE_RUNNING) started_ = std::chrono::steady_clock::now();
  if (IsOver(state) && started_.has_value()) status_.set_running_seconds(SecondsSince(*started_));
  status_.set_state(state);
  status_.set_error(error);
}

void StageMonitor::OnProgress(const StageState& state, bool is_held) {
  absl::MutexLock lock(&mutex_);
  status_.set_forwards(state.forwards);
  status_.set_backwards(state.backwards);
  status_.set_updates(state.updates);
  status_.set_in_flight(state.InFlight());
  is_held_ = is_held;
}

void StageMonitor::OnActivity(Activity activity, absl::Duration elapsed) {
  absl::MutexLock lock(&mutex_);
  AddSeconds(*status_.mutable_activity(), activity, absl::ToDoubleSeconds(elapsed));
}

void StageMonitor::OnBackward(const VersionTracker::Measured& measured) {
  absl::MutexLock lock(&mutex_);
  auto& counts = *status_.mutable_lag()->mutable_counts();
  while (counts.size() <= measured.lag) counts.Add(0);
  counts.Set(measured.lag, counts.Get(measured.lag) + 1);
  drift_sum_ += measured.drift;
  ++drift_count_;
  taken_drift_sum_ += measured.drift;
  taken_lag_sum_ += measured.lag;
  status_.set_drift_max(std::max(status_.drift_max(), measured.drift));
}

void StageMonitor::OnStep(double learning_rate, double gradient_norm, bool is_skipped,
                          const std::string& poison) {
  absl::MutexLock lock(&mutex_);
  status_.set_learning_rate(learning_rate);
  status_.set_gradient_norm(gradient_norm);
  if (drift_count_ > 0) status_.set_drift(drift_sum_ / drift_count_);
  drift_sum_ = 0;
  drift_count_ = 0;
  if (is_skipped) status_.set_skipped_updates(status_.skipped_updates() + 1);
  status_.set_skipped_in_a_row(is_skipped ? status_.skipped_in_a_row() + 1 : 0);
  if (!poison.empty()) status_.set_poison(poison);
}

void StageMonitor::OnPipelineNorm(double norm, int64_t age) {
  absl::MutexLock lock(&mutex_);
  status_.set_pipeline_norm(norm);
  status_.set_pipeline_norm_age(std::max(status_.pipeline_norm_age(), static_cast<uint64_t>(age)));
}

void StageMonitor::OnMemory(uint64_t policy_bytes, uint64_t peak_device_bytes) {
  absl::MutexLock lock(&mutex_);
  status_.set_policy_bytes(std::max<uint64_t>(status_.policy_bytes(), policy_bytes));
  status_.set_peak_device_bytes(peak_device_bytes);
}

void StageMonitor::OnBytes(uint64_t sent, uint64_t received) {
  absl::MutexLock lock(&mutex_);
  status_.set_sent_bytes(sent);
  status_.set_received_bytes(received);
}

void StageMonitor::OnPoint(v1::MetricPoint point) {
  absl::MutexLock lock(&mutex_);
  points_.push_back(std::move(point));
}

void StageMonitor::OnCheckpoint(v1::CheckpointPart part) {
  absl::MutexLock lock(&mutex_);
  checkpoints_.push_back(std::move(part));
}

v1::StageStatus StageMonitor::Status() const {
  const absl::StatusOr<ProcessMemory> memory = ReadProcessMemory();
  absl::MutexLock lock(&mutex_);
  v1::StageStatus status = status_;
  if (!IsOver(status.state()) && started_.has_value()) {
    status.set_running_seconds(SecondsSince(*started_));
  }
  if (status.state() == v1::STAGE_STATE_RUNNING) *status.mutable_now() = OccupationOf(*spans_);
  if (memory.ok()) {
    status.set_resident_bytes(memory->resident_bytes);
    status.set_peak_resident_bytes(memory->peak_resident_bytes);
  }
  return status;
}

v1::StageReport StageMonitor::MakeReport() {
  v1::StageReport report;
  *report.mutable_status() = Status();
  absl::MutexLock lock(&mutex_);
  report.set_sequence(++sequence_);
  report.set_held(is_held_);
  const size_t count = std::min(points_.size(), kMaxPointsPerReport);
  for (size_t i = 0; i < count; ++i) *report.add_points() = points_[i];
  reported_.emplace_back(sequence_, points_stored_ + count);
  for (const v1::CheckpointPart& part : checkpoints_) *report.add_checkpoints() = part;
  return report;
}

void StageMonitor::OnReportStored(uint64_t sequence) {
  absl::MutexLock lock(&mutex_);
  while (!reported_.empty() && reported_.front().first <= sequence) {
    for (; points_stored_ < reported_.front().second; ++points_stored_) points_.pop_front();
    reported_.pop_front();
  }
}

void StageMonitor::OnSettled(uint64_t update) {
  absl::MutexLock lock(&mutex_);
  const auto is_committed = [update](const v1::CheckpointPart& p) { return p.update() <= update; };
  checkpoints_.erase(std::remove_if(checkpoints_.begin(), checkpoints_.end(), is_committed),
                     checkpoints_.end());
  settled_update_ = std::max(settled_update_, update);
}

uint64_t StageMonitor::settled_update() const {
  absl::MutexLock lock(&mutex_);
  return settled_update_;
}

}  // namespace paci
