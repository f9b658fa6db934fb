#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// The folders below which the files of jobs lie; empty: anywhere.
using PathRoots = std::vector<std::string>;

// OK if each root is a folder. INVALID_ARGUMENT names the one that is not.
absl::Status CheckRoots(const PathRoots& roots);

// OK if `path`, with its links followed as far as it exists, is below one of `roots`, or empty.
// PERMISSION_DENIED names `what`, the path, where it leads and the roots.
absl::Status CheckConfined(absl::string_view what, const std::string& path, const PathRoots& roots);

// The same of all paths of a job, and of the checkpoint that it goes on from.
absl::Status CheckConfined(const v1::PrepareStage& command, const PathRoots& roots);

}  // namespace paci
