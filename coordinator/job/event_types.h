#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

// Every Event.type that there is: those of the job's transitions, and those of what happens between
// them. Each once.
const std::vector<absl::string_view>& EventTypes();

}  // namespace paci
