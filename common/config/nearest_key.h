#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

// Sections of a job file, in the order of its keys.
std::vector<absl::string_view> JobSections();

// Of an unknown key `name` in `section` (empty: beside the sections): the path of the key or
// section that was probably meant, or empty when none is near.
std::string NearestKey(absl::string_view section, absl::string_view name);

// `did you mean optimizer.lr?`, or else the names that there are in `section`.
std::string SuggestKey(absl::string_view section, absl::string_view name);

}  // namespace paci
