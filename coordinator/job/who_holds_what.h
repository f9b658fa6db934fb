#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/job/records.h"

namespace paci {

// "stages 0 to 2 go to w1, w2, w3"
inline std::string WhoHoldsWhat(const JobRecord& record) {
  std::vector<std::string> names;
  for (const StageRecord& stage : record.stages) names.push_back(stage.status.worker_name());
  return absl::StrCat(names.size() == 1 ? "stage 0 goes to "
                                        : absl::StrCat("stages 0 to ", names.size() - 1, " go to "),
                      absl::StrJoin(names, ", "));
}

}  // namespace paci
