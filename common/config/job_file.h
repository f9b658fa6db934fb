#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "paci/v1/job.pb.h"

namespace paci {

// A complete spec from the text of a job file: values from `overrides` ("optimizer.lr=1e-3", what
// stands behind --set; of several for one key the last counts), else from the file, else defaults.
// It keeps every rule. INVALID_ARGUMENT has every error at once, one a line and in the file's
// order, but a syntax error alone:
//   job.yaml:12:7: optimizer.lr: "abc" is not a number; expected a number > 0
//   --set optimizer.lr=-1: optimizer.lr: -1 is out of range; expected a number > 0
absl::StatusOr<v1::JobSpec> ParseJobFile(const std::string& text, const std::string& file_name,
                                         const std::vector<std::string>& overrides);

// The same of a file. When it cannot be read, what the system says of it: NOT_FOUND,
// PERMISSION_DENIED ...
absl::StatusOr<v1::JobSpec> LoadJobFile(const std::string& path,
                                        const std::vector<std::string>& overrides);

// The whole spec as a job file, which parses back to the same spec. `spec` is valid.
std::string ToYaml(const v1::JobSpec& spec);

}  // namespace paci
