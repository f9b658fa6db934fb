#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "paci/v1/job.pb.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// Whether a stage that a worker holds is one that the store can know of. FAILED_PRECONDITION: `job`
// has not had that generation yet, or is nullptr and has a number that the store has not given.
// Then the store is an older copy of one that the worker has been told from. Of a job that has
// ended any generation is known: it is nobody's.
absl::Status CheckStoreKnows(const v1::StageKey& key, const v1::Job* job, uint64_t next_job_number);

// The n of NAME-n; 0: it has none, or one that no store has come to.
uint64_t NumberOfJob(const std::string& job_id);

}  // namespace paci
