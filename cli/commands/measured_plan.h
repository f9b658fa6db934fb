#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/commands/load_spec.h"
#include "cli/verb.h"
#include "common/simulator/planner.h"

namespace paci::cli {

// The spec that `plan --measured-by job_id` plans: that of the file, or else the job's own as it
// runs. Sets the costs of `request` to what the job's workers measured.
absl::StatusOr<v1::JobSpec> TakeMeasuredCosts(const Context& context, const std::string& job_id,
                                              const SpecSource& source, PlanRequest& request);

}  // namespace paci::cli
