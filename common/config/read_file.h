#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// The first `most_bytes` of a file. An error has the system's code and begins with `failure`.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes,
                                     absl::string_view failure);

}  // namespace paci
