#pragma once

#include "absl/status/status.h"
#include "paci/v1/job.pb.h"

namespace paci {

// OK if the weights of a job of the spec `writer` are of the shapes that `job` has, and of the same
// use. FAILED_PRECONDITION as below.
absl::Status CheckSameModel(const v1::JobSpec& job, const v1::JobSpec& writer);

// OK if a job could go on from a checkpoint that one of the spec `writer` wrote: it has the job's
// model, and what the job's schedule keeps beside the weights. FAILED_PRECONDITION names the first
// thing that is not so, on "cannot go on from X: ...".
absl::Status CheckResumableBy(const v1::JobSpec& job, const v1::JobSpec& writer);

}  // namespace paci
