#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "coordinator/service/event_tally.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What the coordinator serves at /metrics (docs/metrics.md): the cluster, these jobs and their
// stages. A pure function.
std::vector<prometheus::MetricFamily> ClusterMetrics(const std::vector<v1::Job>& jobs,
                                                     const std::vector<v1::Worker>& workers,
                                                     const EventTally& events);

}  // namespace paci
