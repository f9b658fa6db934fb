#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace paci::cli {

// FAILED_PRECONDITION names `option`, the path and the cause.
absl::Status WriteFile(absl::string_view option, const std::string& path, const std::string& text);

}  // namespace paci::cli
