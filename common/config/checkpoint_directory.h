#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Where a job's checkpoint of `update` lies, as the workers see it:
// <checkpoint.dir>/<job>/update-<8 digits>, so that names sort by age and jobs may share a folder.
// Every generation of a job uses the same one.
inline std::string CheckpointDirectory(const v1::JobSpec& spec, const std::string& job_id,
                                       uint64_t update) {
  return absl::StrCat(spec.checkpoint().dir(), "/", job_id, "/update-",
                      absl::Dec(update, absl::kZeroPad8));
}

}  // namespace paci
