#include "coordinator/service/cluster_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/rpc/timestamp.h"
#include "common/rpc/version.h"
#include "common/telemetry/metric_families.h"
#include "common/telemetry/stage_metrics.h"
#include "coordinator/job/recovery.h"
#include "coordinator/job/stage_count.h"

namespace paci {
namespace {

void AppendWorkers(const std::vector<v1::Worker>& workers, MetricFamilies& families) {
  for (int state = v1::WORKER_STATE_IDLE; state <= v1::WorkerState_MAX; ++state) {
    const std::string name = v1::WorkerState_Name(static_cast<v1::WorkerState>(state));
    const auto count = std::count_if(workers.begin(), workers.end(),
                                     [&](const v1::Worker& w) { return w.state() == state; });
    families.AddGauge({"paci_workers", "Workers by state"},
                      {{"state", StateLabel(name, "WORKER_STATE_")}}, static_cast<double>(count));
  }
}

void AppendEvents(const EventTally& events, MetricFamilies& families) {
  for (const auto& [type, count] : events.by_type()) {
    families.AddCounter({"paci_events_total", "Events of all jobs since the coordinator started"},
                        {{"type", type}}, static_cast<double>(count));
  }
}

void AppendState(const v1::Job& job, MetricFamilies& families) {
  for (int state = v1::JOB_STATE_PENDING; state <= v1::JobState_MAX; ++state) {
    const std::string name = v1::JobState_Name(static_cast<v1::JobState>(state));
    families.AddGauge({"paci_job_state", "1 for the state that the job is in, 0 for the others"},
                      {{"job", job.id()}, {"state", StateLabel(name, "JOB_STATE_")}},
                      job.state() == state ? 1 : 0);
  }
}

void AppendProgress(const v1::Job& job, MetricFamilies& families) {
  const v1::JobProgress& progress = job.progress();
  const MetricLabels labels = {{"job", job.id()}};
  families.AddGauge({"paci_job_generation", "Incarnations of the job's pipeline so far"}, labels,
                    static_cast<double>(job.generation()));
  families.AddGauge({"paci_job_updates", "Updates that every stage has finished"}, labels,
                    static_cast<double>(progress.updates()));
  families.AddGauge({"paci_job_target_updates", "Updates after which the job is complete"}, labels,
                    static_cast<double>(job.spec().train().updates()));
  families.AddGauge({"paci_job_tokens", "Tokens of the updates that are finished"}, labels,
                    static_cast<double>(progress.tokens()));
  families.AddGauge({"paci_job_tokens_per_second",
                     "Speed over the last reports of a running job; 0 in any other state"},
                    labels,
                    job.state() == v1::JOB_STATE_RUNNING ? progress.tokens_per_second() : 0);
  if (progress.has_loss()) {
    families.AddGauge({"paci_job_loss", "Mean training loss of the last update, nats a token"},
                      labels, progress.loss());
  }
  if (progress.has_learning_rate()) {
    families.AddGauge({"paci_job_learning_rate", "Learning rate of the last update"}, labels,
                      progress.learning_rate());
  }
  if (progress.has_last_validation_loss()) {
    families.AddGauge({"paci_job_validation_loss", "Last validation loss, nats a token"}, labels,
                      progress.last_validation_loss());
  }
}

void AppendStageCounts(const v1::Job& job, MetricFamilies& families) {
  const MetricLabels labels = {{"job", job.id()}};
  families.AddGauge({"paci_job_stages", "Stages of the job's pipeline; 0 before it has one"},
                    labels, static_cast<double>(job.stages_size()));
  families.AddGauge({"paci_job_wanted_stages", "Stages that the job is to have"}, labels,
                    static_cast<double>(WantedStages(job)));
}

void AppendCheckpoints(const v1::Job& job, MetricFamilies& families) {
  const MetricLabels labels = {{"job", job.id()}};
  const v1::Checkpoint* point = ResumePoint(job);
  families.AddGauge(
      {"paci_job_checkpoint_update", "Update that the job would go back to: its newest checkpoint"},
      labels, point == nullptr ? 0 : static_cast<double>(point->update()));
  if (!job.spec().checkpoint().dir().empty() && job.spec().checkpoint().every() > 0) {
    families.AddGauge(
        {"paci_job_checkpoint_every_updates", "Updates between two checkpoints of the job"}, labels,
        static_cast<double>(job.spec().checkpoint().every()));
  }
  if (job.checkpoints().empty()) return;
  const v1::Checkpoint& newest = *job.checkpoints().rbegin();
  families.AddGauge({"paci_job_checkpoint_timestamp_seconds",
                     "When the job's newest checkpoint was complete, in seconds of Unix time"},
                    labels,
                    absl::ToDoubleSeconds(FromTimestamp(newest.committed()) - absl::UnixEpoch()));
  families.AddGauge({"paci_job_checkpoint_bytes", "Size of the job's newest checkpoint"}, labels,
                    static_cast<double>(newest.size_bytes()));
}

void AppendRecoveries(const std::string& job_id, const EventTally::Recoveries& recoveries,
                      MetricFamilies& families) {
  const MetricLabels labels = {{"job", job_id}};
  families.AddCounter({"paci_job_restarts_total", "Restarts of the job's pipeline after a failure"},
                      labels, static_cast<double>(recoveries.restarts));
  families.AddCounter({"paci_job_recoveries_total", "Restarts after which the job ran again"},
                      labels, static_cast<double>(recoveries.recoveries));
  families.AddCounter({"paci_job_recovery_seconds_total",
                       "Time from the decision to restart until the job ran again"},
                      labels, absl::ToDoubleSeconds(recoveries.spent));
}

}  // namespace

std::vector<prometheus::MetricFamily> ClusterMetrics(const std::vector<v1::Job>& jobs,
                                                     const std::vector<v1::Worker>& workers,
                                                     const EventTally& events) {
  std::vector<prometheus::MetricFamily> families;
  MetricFamilies adder(families);
  adder.AddGauge({"paci_coordinator_info", "Always 1: the coordinator's version"},
                 {{"version", std::string(kVersion)}}, 1);
  AppendWorkers(workers, adder);
  AppendEvents(events, adder);
  for (const v1::Job& job : jobs) {
    AppendState(job, adder);
    AppendProgress(job, adder);
    AppendStageCounts(job, adder);
    AppendCheckpoints(job, adder);
    AppendRecoveries(job.id(), events.OfJob(job.id()), adder);
    for (const v1::StageStatus& stage : job.stages()) {
      AppendStageMetrics(job.id(), stage, families);
    }
  }
  return families;
}

}  // namespace paci
