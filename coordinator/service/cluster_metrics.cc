#include "coordinator/service/cluster_metrics.h"

#include "common/rpc/version.h"

namespace paci {

std::vector<prometheus::MetricFamily> ClusterMetrics(const std::vector<v1::Job>& /*jobs*/,
                                                     const std::vector<v1::Worker>& /*workers*/) {
  prometheus::ClientMetric metric;
  metric.label = {{"version", kVersion}};
  metric.gauge.value = 1;
  return {{"paci_coordinator_info",
           "The version of this coordinator",
           prometheus::MetricType::Gauge,
           {metric}}};
}

}  // namespace paci
