#include "coordinator/service/metrics_collector.h"

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "common/telemetry/log.h"
#include "coordinator/service/cluster_metrics.h"

namespace paci {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);

struct Answered {
  std::vector<v1::Job> jobs;
  std::vector<v1::Worker> workers;
  EventTally events;
  absl::Status stored;
  absl::Notification is_there;
};

}  // namespace

std::vector<prometheus::MetricFamily> MetricsCollector::Collect() const {
  const auto answered = std::make_shared<Answered>();
  absl::Status status = core_->Post([answered, tally = tally_](CoreState& state) -> Reply {
    answered->jobs = state.controller.List();
    answered->workers = state.controller.Workers();
    answered->events = *tally;
    return [answered](const absl::Status& stored) {
      answered->stored = stored;
      answered->is_there.Notify();
    };
  });
  if (status.ok() && !answered->is_there.WaitForNotificationWithTimeout(kPatience)) {
    status = absl::DeadlineExceededError("the core did not answer in time");
  } else if (status.ok()) {
    status = answered->stored;
  }
  if (!status.ok()) {
    LogWarning("metrics cannot be collected", {{"error", status.ToString()}});
    return {};
  }
  return ClusterMetrics(answered->jobs, answered->workers, answered->events);
}

}  // namespace paci
