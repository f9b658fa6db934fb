#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// The series of one stage (docs/metrics.md), from what it says of itself; merged into families that
// are already there. A pure function: worker and coordinator serve the same series.
void AppendStageMetrics(const std::string& job_id, const v1::StageStatus& status,
                        std::vector<prometheus::MetricFamily>& families);

}  // namespace paci
