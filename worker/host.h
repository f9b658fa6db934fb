#pragma once

#include <string>

#include "paci/v1/job.pb.h"

namespace paci {

// "<host name>-<process id>"
std::string DefaultWorkerName();

// 128 random bits as hex digits: one a process.
std::string RandomWorkerId();

// Cores, memory and measured speed of this machine; takes about a tenth of a second. Addresses are
// left empty.
v1::WorkerInfo DescribeHost(uint32_t threads);

}  // namespace paci
