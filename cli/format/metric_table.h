#pragma once

#include <string>

#include "paci/v1/job.pb.h"

namespace paci::cli {

// `pacictl metrics`: a line a point, for reading.
std::string MetricTable(const v1::GetMetricsResponse& metrics);

// The same for other programs: comma-separated, with a header of the contract's field names, every
// number to its last bit, an absent one empty, times in RFC 3339.
std::string MetricCsv(const v1::GetMetricsResponse& metrics);

}  // namespace paci::cli
