#include "common/telemetry/stage_metrics.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/telemetry/metric_families.h"

namespace paci {
namespace {

MetricLabels With(MetricLabels labels, std::string name, std::string value) {
  labels.push_back({std::move(name), std::move(value)});
  return labels;
}

// The status counts from the job's first micro-batch on; a counter that began there after a restart
// would grow by all of that at once. Backwards of this stage loop are those with a version lag.
uint64_t BackwardsOfThisLoop(const v1::StageStatus& status) {
  const auto& counts = status.lag().counts();
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

void AppendProgress(const v1::StageStatus& status, const MetricLabels& labels,
                    MetricFamilies& families) {
  families.AddCounter(
      {"paci_forwards_total", "Micro-batches that went forward, once for each chunk"}, labels,
      static_cast<double>(BackwardsOfThisLoop(status) + status.in_flight()));
  families.AddCounter(
      {"paci_backwards_total", "Micro-batches that went backward, once for each chunk"}, labels,
      static_cast<double>(BackwardsOfThisLoop(status)));
  families.AddCounter(
      {"paci_updates_total", "Optimizer steps of the stage, skipped ones included"}, labels,
      static_cast<double>(status.updates() - std::min(status.first_update(), status.updates())));
  families.AddCounter({"paci_skipped_updates_total",
                       "Updates that were not applied because a gradient was not finite"},
                      labels, static_cast<double>(status.skipped_updates()));
  families.AddGauge({"paci_in_flight", "Micro-batches that are forward and not yet backward"},
                    labels, status.in_flight());
  families.AddGauge({"paci_in_flight_cap", "The most that the schedule allows in flight"}, labels,
                    status.in_flight_cap());
}

void AppendActivity(const v1::StageStatus& status, const MetricLabels& labels,
                    MetricFamilies& families) {
  const v1::ActivitySeconds& seconds = status.activity();
  const std::pair<const char*, double> activities[] = {
      {"forward", seconds.forward()},
      {"backward", seconds.backward()},
      {"weights", seconds.weights()},
      {"update", seconds.update()},
      {"evaluate", seconds.evaluate()},
      {"checkpoint", seconds.checkpoint()},
      {"wait_activation", seconds.wait_activation()},
      {"wait_gradient", seconds.wait_gradient()},
      {"wait_send", seconds.wait_send()},
      {"other", seconds.other()}};
  for (const auto& [activity, value] : activities) {
    families.AddCounter({"paci_activity_seconds_total",
                         "Time of the stage loop by what it did; adds up to its running time"},
                        With(labels, "activity", activity), value);
  }
  families.AddCounter({"paci_running_seconds_total", "Time since the stage loop started"}, labels,
                      status.running_seconds());
}

void AppendStaleness(const v1::StageStatus& status, const MetricLabels& labels,
                     MetricFamilies& families) {
  families.AddHistogram(
      {"paci_version_lag", "Updates of the stage between a micro-batch's forward and its backward"},
      labels, {status.lag().counts().begin(), status.lag().counts().end()}, status.lag().bound());
  families.AddGauge({"paci_version_lag_bound", "The largest version lag the schedule allows"},
                    labels, static_cast<double>(status.lag().bound()));
  families.AddGauge({"paci_parameter_drift_ratio",
                     "Relative change of a sample of weights between a micro-batch's forward and "
                     "its backward, mean over the last update"},
                    labels, status.drift());
  families.AddGauge({"paci_parameter_drift_max_ratio", "The largest parameter drift so far"},
                    labels, status.drift_max());
  families.AddGauge(
      {"paci_gradient_norm", "2-norm of the gradient of the stage's last update, before clipping"},
      labels, status.gradient_norm());
  if (status.pipeline_norm() > 0) {
    families.AddGauge({"paci_pipeline_gradient_norm",
                       "2-norm of the whole model's gradient as the stage knew it at its last "
                       "update; where stages clip by it"},
                      labels, status.pipeline_norm());
    families.AddGauge({"paci_pipeline_gradient_norm_age_updates",
                       "Updates before its own of which the oldest part of that norm was, the most "
                       "so far"},
                      labels, static_cast<double>(status.pipeline_norm_age()));
  }
  families.AddGauge({"paci_learning_rate", "Learning rate of the stage's last update"}, labels,
                    status.learning_rate());
}

void AppendResources(const v1::StageStatus& status, const MetricLabels& labels,
                     MetricFamilies& families) {
  const MetricSeries transferred = {"paci_transferred_bytes_total",
                                    "Payload to and from the neighbouring stages"};
  families.AddCounter(transferred, With(labels, "direction", "sent"),
                      static_cast<double>(status.sent_bytes()));
  families.AddCounter(transferred, With(labels, "direction", "received"),
                      static_cast<double>(status.received_bytes()));
  families.AddGauge({"paci_resident_bytes", "Memory of the stage's process"}, labels,
                    static_cast<double>(status.resident_bytes()));
  families.AddGauge({"paci_peak_resident_bytes", "The most memory the stage's process has had"},
                    labels, static_cast<double>(status.peak_resident_bytes()));
  families.AddGauge({"paci_policy_bytes",
                     "The most bytes that the schedule's weight policy held beside the weights"},
                    labels, static_cast<double>(status.policy_bytes()));
  families.AddGauge({"paci_parameters", "Weights that the stage holds"}, labels,
                    static_cast<double>(status.parameters()));
}

// "0-1,8-9": of each chunk, first and last.
std::string UnitsLabel(const v1::StageStatus& status) {
  return absl::StrJoin(status.chunks(), ",", [](std::string* out, const v1::UnitRange& chunk) {
    absl::StrAppend(out, chunk.first_unit(), "-", chunk.end_unit() - 1);
  });
}

}  // namespace

void AppendStageMetrics(const std::string& job_id, const v1::StageStatus& status,
                        std::vector<prometheus::MetricFamily>& families) {
  const MetricLabels labels = {{"job", job_id}, {"stage", absl::StrCat(status.index())}};
  MetricFamilies adder(families);
  MetricLabels info = With(labels, "worker", status.worker_name());
  info.push_back({"state", StateLabel(v1::StageState_Name(status.state()), "STAGE_STATE_")});
  info.push_back({"units", UnitsLabel(status)});
  adder.AddGauge({"paci_stage_info", "Always 1: who holds the stage, its state and its units"},
                 std::move(info), 1);
  AppendProgress(status, labels, adder);
  AppendActivity(status, labels, adder);
  AppendStaleness(status, labels, adder);
  AppendResources(status, labels, adder);
}

}  // namespace paci
