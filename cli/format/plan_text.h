#pragma once

#include <string>

#include "common/simulator/planner.h"

namespace paci::cli {

// `pacictl plan`, for reading: a line a choice, the recommended one marked; then why, and what was
// left out.
std::string PlanText(const Plan& plan, const PlanRequest& request);

// The same for scripts, as one JSON object on one line; docs/planner.md has its fields.
std::string PlanJson(const Plan& plan, const PlanRequest& request);

}  // namespace paci::cli
