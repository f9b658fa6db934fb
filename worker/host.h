#pragma once

#include <string>

#include "paci/v1/job.pb.h"

namespace paci {

// "<host name>-<process id>"
std::string DefaultWorkerName();

// 128 random bits as hex digits: one a process.
std::string RandomWorkerId();

// Name, version and memory of this machine; addresses, threads and speed are left empty.
v1::WorkerInfo DescribeHost();

}  // namespace paci
