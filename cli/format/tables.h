#pragma once

#include <string>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// `pacictl list`: a line a job, in the order given.
std::string JobTable(const v1::ListJobsResponse& jobs, absl::Time now);

// `pacictl events`: a line an event.
std::string EventTable(const google::protobuf::RepeatedPtrField<v1::Event>& events,
                       size_t indent = 0);
// The same for one event that was followed: no header.
std::string EventLine(const v1::Event& event);

// `pacictl checkpoints`: a line a checkpoint that the job keeps, or that it has none.
std::string CheckpointTable(const v1::Job& job, absl::Time now);

// `pacictl workers`: a line a worker.
std::string WorkerTable(const v1::ListWorkersResponse& workers, absl::Time now);

}  // namespace paci::cli
