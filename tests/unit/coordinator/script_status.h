#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "paci/v1/job.pb.h"

namespace paci {

// Where a stage stands, in the words of a script; what is not said stays as it was:
//   [passes=FORWARDS/BACKWARDS] [now=KIND/INDEX/SECONDS or KIND/INDEX/SECONDS/CHUNK]
//   [row=SKIPPED_IN_A_ROW] [poison=SENTENCE] [data=FILES/TOKENS/CHECKSUM] [validates=the same]
// KIND is a SpanKind without its prefix. `get`: the value of a key; empty: it is not there.
inline void SetStanding(const std::function<std::string(const std::string&)>& get,
                        v1::StageStatus& status) {
  if (const std::string passes = get("passes"); !passes.empty()) {
    const std::vector<std::string> counts = absl::StrSplit(passes, '/');
    status.set_forwards(std::stoul(counts[0]));
    status.set_backwards(std::stoul(counts[1]));
  }
  if (const std::string now = get("now"); !now.empty()) {
    const std::vector<std::string> parts = absl::StrSplit(now, '/');
    v1::SpanKind kind = v1::SPAN_KIND_UNSPECIFIED;
    std::string name = parts[0];
    std::replace(name.begin(), name.end(), ' ', '_');
    v1::SpanKind_Parse("SPAN_KIND_" + name, &kind);
    status.mutable_now()->set_kind(kind);
    status.mutable_now()->set_index(std::stoul(parts[1]));
    status.mutable_now()->set_seconds(std::stod(parts[2]));
    status.mutable_now()->set_chunk(parts.size() > 3 ? std::stoul(parts[3]) : 0);
  }
  if (const std::string row = get("row"); !row.empty()) {
    status.set_skipped_in_a_row(std::stoul(row));
  }
  const auto set_data = [&](const char* key, v1::TokenData* (v1::StageStatus::*data)()) {
    const std::vector<std::string> parts = absl::StrSplit(get(key), '/');
    if (parts.size() != 3) return;
    (status.*data)()->set_files(std::stoul(parts[0]));
    (status.*data)()->set_tokens(std::stoul(parts[1]));
    (status.*data)()->set_checksum(parts[2]);
  };
  set_data("data", &v1::StageStatus::mutable_training_data);
  set_data("validates", &v1::StageStatus::mutable_validation_data);
  if (const std::string poison = get("poison"); !poison.empty()) status.set_poison(poison);
}

}  // namespace paci
