#pragma once

// The language of StageStatus.poison: where a number that is not finite came from.

#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paci {

// "update 12: the gradient of micro-batch 97 came so from stage 3". `what`: "gradient".
inline std::string PoisonReceived(int64_t update, absl::string_view what, int64_t micro_batch,
                                  int64_t from_stage) {
  return absl::StrCat("update ", update, ": the ", what, " of micro-batch ", micro_batch,
                      " came so from stage ", from_stage);
}

// "update 12: the loss of micro-batch 97 is not finite". `what` is a clause.
inline std::string PoisonMade(int64_t update, absl::string_view what) {
  return absl::StrCat("update ", update, ": ", what);
}

// The stage only passed on what another one made.
inline bool IsPoisonReceived(absl::string_view poison) {
  return absl::StrContains(poison, " came so from stage ");
}

}  // namespace paci
