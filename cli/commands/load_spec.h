#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/verb.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// The job file of a command line, as `submit` and `validate` take it.
struct SpecSource {
  std::string file;
  std::vector<std::string> overrides;  // "train.updates=300"
};

std::vector<Argument> SpecArguments(SpecSource* source);

// INVALID_ARGUMENT has every error of the file, one a line.
absl::StatusOr<v1::JobSpec> LoadSpec(const SpecSource& source);

}  // namespace paci::cli
