#pragma once

#include "absl/status/status.h"
#include "paci/v1/job.pb.h"

namespace paci {

// OK if a job could go on from a checkpoint that one of the spec `writer` wrote: it has the job's
// model, and what the job's schedule keeps beside the weights. FAILED_PRECONDITION names the first
// thing that is not so, on "cannot go on from X: ...".
absl::Status CheckResumableBy(const v1::JobSpec& job, const v1::JobSpec& writer);

}  // namespace paci
