#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "paci/v1/job.pb.h"

namespace paci {

// One checkpoint among those of a job.
struct CheckpointName {
  uint64_t update = 0;
  uint64_t generation = 0;  // that writes it

  bool operator==(const CheckpointName&) const = default;
  // The older of two.
  bool operator<(const CheckpointName& other) const {
    return std::tie(update, generation) < std::tie(other.update, other.generation);
  }
};

// Where a job's checkpoint lies, as the workers see it: <checkpoint.dir>/<job>/update-<8
// digits>.g<n>, so that names sort by age and jobs may share a folder. A generation has folders of
// its own: what a worker of an earlier one still writes is in nobody's way.
inline std::string CheckpointDirectory(const v1::JobSpec& spec, const std::string& job_id,
                                       const CheckpointName& name) {
  return absl::StrCat(spec.checkpoint().dir(), "/", job_id, "/update-",
                      absl::Dec(name.update, absl::kZeroPad8), ".g", name.generation);
}

// What the last part of a path says; nullopt: it is no name of a checkpoint.
inline std::optional<CheckpointName> ParseCheckpointDirectory(absl::string_view directory) {
  while (absl::ConsumeSuffix(&directory, "/")) {
  }
  absl::string_view text = directory.substr(directory.rfind('/') + 1);
  const size_t dot = text.find(".g");
  CheckpointName name;
  const bool is_name = absl::ConsumePrefix(&text, "update-") && dot != absl::string_view::npos &&
                       absl::SimpleAtoi(text.substr(0, text.find('.')), &name.update) &&
                       absl::SimpleAtoi(text.substr(text.find('.') + 2), &name.generation);
  // Other ways to write these numbers are no names.
  const bool is_canonical = is_name && absl::EndsWith(CheckpointDirectory({}, "", name),
                                                      directory.substr(directory.rfind('/') + 1));
  return is_canonical ? std::make_optional(name) : std::nullopt;
}

}  // namespace paci
