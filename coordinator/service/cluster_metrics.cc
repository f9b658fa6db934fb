#include "coordinator/service/cluster_metrics.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/rpc/version.h"
#include "common/telemetry/metric_families.h"
#include "common/telemetry/stage_metrics.h"

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
  families.AddCounter({"paci_job_updates_total", "Updates that every stage has finished"}, labels,
                      static_cast<double>(progress.updates()));
  families.AddCounter({"paci_job_tokens_total", "Tokens of the updates that are finished"}, labels,
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

}  // namespace

std::vector<prometheus::MetricFamily> ClusterMetrics(const std::vector<v1::Job>& jobs,
                                                     const std::vector<v1::Worker>& workers) {
  std::vector<prometheus::MetricFamily> families;
  MetricFamilies adder(families);
  adder.AddGauge({"paci_coordinator_info", "Always 1: the coordinator's version"},
                 {{"version", std::string(kVersion)}}, 1);
  AppendWorkers(workers, adder);
  for (const v1::Job& job : jobs) {
    AppendState(job, adder);
    AppendProgress(job, adder);
    for (const v1::StageStatus& stage : job.stages()) {
      AppendStageMetrics(job.id(), stage, families);
    }
  }
  return families;
}

}  // namespace paci
