#pragma once

#include <string>

#include "nlohmann/json.hpp"

namespace paci {

// The first rule of Chrome's trace event format (JSON object form) that `document` breaks, and the
// event that breaks it; empty: none. Beyond the format: slices of a row do not overlap, every row
// with events is named, and both ends of an arrow are on a slice.
std::string BrokenTraceRule(const nlohmann::json& document);

}  // namespace paci
