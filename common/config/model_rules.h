#pragma once

#include <vector>

#include "common/config/job_rules.h"

namespace paci {

// The part of JobRules() that is about the model alone.
std::vector<JobRule> ModelRules();

}  // namespace paci
