#pragma once

#include "common/schedule/action.h"
#include "common/schedule/schedule.h"

namespace paci {

// What a stage's wall-clock is spent on; the fields of v1::ActivitySeconds.
enum class Activity {
  kForward,
  kBackward,
  kWeights,
  kUpdate,
  kEvaluate,
  kCheckpoint,
  kWaitActivation,
  kWaitGradient,
  kWaitSend,
  kOther,
};

Activity ActivityOf(ActionKind kind);
Activity ActivityOf(Wait wait);

}  // namespace paci
