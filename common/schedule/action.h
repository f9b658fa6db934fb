#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

// What a stage can do next. The letters are frozen: logs, traces, tests and the simulator speak in
// them.
enum class ActionKind : char {
  kForward = 'F',     // of a micro-batch
  kBackward = 'B',    // of a micro-batch; its input half where the schedule splits backwards
  kWeights = 'W',     // the weight half of a backward, where the schedule splits them
  kStep = 'S',        // one optimizer update
  kEvaluate = 'E',    // forward without gradients, of a validation micro-batch
  kCheckpoint = 'C',  // write the stage's layers
};

// "forward", "update", ...: the same words in every trace.
absl::string_view NameOf(ActionKind kind);

// One entry of a schedule. Prints as "F3": kind, then the index of its micro-batch, update,
// validation micro-batch (counted over the whole run) or checkpoint, from 0; and as "F3.1" where it
// is of the stage's model chunk 1, from 0, and not of the first.
struct Action {
  ActionKind kind;
  int64_t index;
  int64_t chunk = 0;

  bool operator==(const Action&) const = default;
};

std::string ToString(Action action);

// "F0 F1 B0 S0"
std::string ToString(const std::vector<Action>& actions);

}  // namespace paci
