#pragma once

#include <vector>

#include "common/config/job_rules.h"

namespace paci {

// Of one frame between stages: an activation, or the matrix of a tied head.
inline constexpr double kMaxFrameBytes = 16.0 * (1ull << 30);

// The part of JobRules() that is about the model alone.
std::vector<JobRule> ModelRules();

}  // namespace paci
