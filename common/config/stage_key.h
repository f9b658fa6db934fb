#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "paci/v1/worker.pb.h"

namespace paci {

inline bool IsSame(const v1::StageKey& a, const v1::StageKey& b) {
  return a.job_id() == b.job_id() && a.generation() == b.generation() && a.stage() == b.stage();
}

// "stage 2 of job kjv-1, generation 1"
inline std::string ToString(const v1::StageKey& key) {
  return absl::StrCat("stage ", key.stage(), " of job ", key.job_id(), ", generation ",
                      key.generation());
}

}  // namespace paci
