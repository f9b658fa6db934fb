#include "worker/stage/activity.h"

namespace paci {

Activity ActivityOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return Activity::kForward;
    case ActionKind::kBackward:
      return Activity::kBackward;
    case ActionKind::kWeights:
      return Activity::kWeights;
    case ActionKind::kStep:
      return Activity::kUpdate;
    case ActionKind::kEvaluate:
      return Activity::kEvaluate;
    case ActionKind::kCheckpoint:
      return Activity::kCheckpoint;
  }
  return Activity::kOther;
}

Activity ActivityOf(Wait wait) {
  switch (wait) {
    case Wait::kActivation:
    case Wait::kEvaluation:
      return Activity::kWaitActivation;
    case Wait::kGradient:
      return Activity::kWaitGradient;
    case Wait::kNone:
    case Wait::kFinished:
      return Activity::kWaitSend;
    case Wait::kHold:
      return Activity::kOther;
  }
  return Activity::kOther;
}

}  // namespace paci
