#include "coordinator/job/progress.h"

#include <algorithm>

#include "coordinator/job/records.h"

namespace paci {
namespace {

constexpr absl::Duration kWindow = absl::Seconds(15);
// Slow jobs report progress rarely: so many samples stay, however old.
constexpr size_t kFewestSamples = 4;

uint64_t TokensPerMicroBatch(const v1::JobSpec& spec) {
  return uint64_t{spec.pipeline().micro_batch()} * spec.model().context();
}

uint64_t TokensPerUpdate(const v1::JobSpec& spec) {
  return TokensPerMicroBatch(spec) * spec.pipeline().accumulation();
}

}  // namespace

void RateWindow::Add(absl::Time now, uint64_t count) {
  if (!samples_.empty() && count < samples_.back().second) samples_.clear();
  if (!samples_.empty() && count == samples_.back().second) return;
  samples_.emplace_back(now, count);
  while (samples_.size() > kFewestSamples && now - samples_.front().first > kWindow) {
    samples_.pop_front();
  }
}

double RateWindow::Rate(absl::Time now) const {
  if (samples_.size() < 2) return 0;
  const auto& [first_time, first_count] = samples_.front();
  const auto& [last_time, last_count] = samples_.back();
  const absl::Duration usual_gap =
      (last_time - first_time) / static_cast<int64_t>(samples_.size() - 1);
  // Twice the usual silence is not a standstill yet.
  const absl::Time end = now - last_time > 2 * usual_gap ? now : last_time;
  const double seconds = absl::ToDoubleSeconds(end - first_time);
  return seconds > 0 ? static_cast<double>(last_count - first_count) / seconds : 0;
}

void SetUpdates(const v1::JobSpec& spec, uint64_t updates, v1::JobProgress& progress) {
  progress.set_updates(updates);
  progress.set_tokens(updates * TokensPerUpdate(spec));
}

void UpdateProgress(JobRecord& record, absl::Time now) {
  // Not from what a stage said before the coordinator's last start, nor before the first report of
  // a generation, which need not have begun at the beginning.
  const auto is_unheard = [](const StageRecord& stage) { return stage.report_sequence == 0; };
  if (record.stages.empty() ||
      std::any_of(record.stages.begin(), record.stages.end(), is_unheard)) {
    return;
  }
  uint64_t updates = UINT64_MAX;
  uint64_t micro_batches = UINT64_MAX;
  for (const StageRecord& stage : record.stages) {
    updates = std::min<uint64_t>(updates, stage.status.updates());
    micro_batches = std::min<uint64_t>(micro_batches, stage.status.backwards());
  }
  const v1::JobSpec spec = record.SpecOfGeneration();
  v1::JobProgress& progress = *record.job().mutable_progress();
  SetUpdates(spec, updates, progress);

  const uint64_t tokens_begun = micro_batches * TokensPerMicroBatch(spec);
  const uint64_t tokens_in_all = spec.train().updates() * TokensPerUpdate(spec);
  record.token_rate.Add(now, tokens_begun);
  const double rate = record.token_rate.Rate(now);
  const uint64_t tokens_left = tokens_in_all - std::min(tokens_in_all, tokens_begun);
  progress.set_tokens_per_second(rate);
  progress.set_eta_seconds(rate > 0 ? static_cast<double>(tokens_left) / rate : 0);
}

void UpdateProgress(const v1::MetricPoint& point, v1::JobProgress& progress) {
  if (point.has_loss()) progress.set_loss(point.loss());
  if (point.has_learning_rate()) progress.set_learning_rate(point.learning_rate());
  if (point.has_validation_loss()) {
    if (!progress.has_first_validation_loss()) {
      progress.set_first_validation_loss(point.validation_loss());
    }
    progress.set_last_validation_loss(point.validation_loss());
  }
}

}  // namespace paci
