#pragma once

#include <string>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// `pacictl watch` on a terminal: the job as it is now, some lines, redrawn after every change.
std::string WatchScreen(const v1::Job& job, absl::Time now);

// The same in one line, for logs: no time in it, so that equal lines mean that nothing changed.
std::string WatchLine(const v1::Job& job);

// What came of a job that has ended: losses, throughput, and per stage the share of time it
// computed and its version lag beside the bound.
std::string JobSummary(const v1::Job& job);

}  // namespace paci::cli
