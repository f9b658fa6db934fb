#include "common/schedule/action.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {

absl::string_view NameOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return "forward";
    case ActionKind::kBackward:
      return "backward";
    case ActionKind::kWeights:
      return "weights";
    case ActionKind::kStep:
      return "update";
    case ActionKind::kEvaluate:
      return "validation";
    case ActionKind::kCheckpoint:
      return "checkpoint";
  }
  return "";
}

std::string ToString(Action action) {
  const std::string text =
      absl::StrCat(std::string(1, static_cast<char>(action.kind)), action.index);
  return action.chunk == 0 ? text : absl::StrCat(text, ".", action.chunk);
}

std::string ToString(const std::vector<Action>& actions) {
  return absl::StrJoin(actions, " ",
                       [](std::string* out, Action action) { out->append(ToString(action)); });
}

}  // namespace paci
