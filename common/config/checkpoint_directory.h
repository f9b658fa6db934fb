#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
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

// The update that such a folder is of, by its name; nullopt: it is no name of a checkpoint.
inline std::optional<uint64_t> UpdateOfDirectory(absl::string_view directory) {
  while (absl::ConsumeSuffix(&directory, "/")) {
  }
  absl::string_view name = directory.substr(directory.rfind('/') + 1);
  uint64_t update = 0;
  const bool is_name = absl::ConsumePrefix(&name, "update-") && name.size() >= 8 &&
                       std::all_of(name.begin(), name.end(), absl::ascii_isdigit) &&
                       absl::SimpleAtoi(name, &update);
  return is_name ? std::make_optional(update) : std::nullopt;
}

}  // namespace paci
