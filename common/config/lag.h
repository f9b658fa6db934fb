#pragma once

#include <vector>

#include "common/config/job_rules.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What a valid spec's `optimizer.lag_correction` comes to. `auto` is `look_ahead` with Muon and
// `extrapolate` with others where the schedule lets weights change under micro-batches in flight
// and does nothing about it by itself, `none` elsewhere.
v1::LagCorrection LagCorrectionOf(const v1::JobSpec& spec);

// The rules of a job file about version lag: where the run flushes, and what optimizers do about
// it.
std::vector<JobRule> LagRules();

}  // namespace paci
