#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/client.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// The checkpoint that --resume-from names: a job's newest ("tiny-1"), the one with the least
// validation loss ("tiny-1@best"), that of an update of it ("tiny-1@40"), or a folder as the
// workers see it ("/runs/tiny-1/update-00000040.g1").
absl::StatusOr<v1::Checkpoint> FindResumePoint(const std::string& name, Client& client);

}  // namespace paci::cli
