#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/simulator/plan_costs.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Fewer updates say more of how a process warms up than of what it costs; a job that has fewer in
// all must have finished them.
inline constexpr uint64_t kUpdatesToMeasure = 10;

// What the workers of a job measured while they trained: the seconds that each stage spent on
// forwards, backwards and updates, divided by their number. A stage's seconds are shared by its
// units in proportion to their arithmetic, those of updates to their parameters, so that the sum
// over its units is the stage's own again. Where the job's schedule does not split backwards, half
// of one is taken for its weights. FAILED_PRECONDITION: a stage has not done enough updates, or the
// job has no stages.
absl::StatusOr<UnitSeconds> SecondsMeasuredBy(const v1::Job& job);
// "seconds that the workers of job tiny-1 measured over 120 updates". Of a job of which there are.
std::string SourceOfSeconds(const v1::Job& job);

// The job's spec, with the number of stages, the partition and the micro-batches that it runs with.
v1::JobSpec SpecAsRun(const v1::Job& job);

// FAILED_PRECONDITION, with every difference, when a micro-batch of `planned` is not the work that
// one of the job is.
absl::Status CheckSameWork(const v1::Job& job, const v1::JobSpec& planned);

}  // namespace paci
