#include "worker/stage/span_kinds.h"

namespace paci {

v1::SpanKind SpanOf(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return v1::SPAN_KIND_FORWARD;
    case ActionKind::kBackward:
      return v1::SPAN_KIND_BACKWARD;
    case ActionKind::kWeights:
      return v1::SPAN_KIND_WEIGHTS;
    case ActionKind::kStep:
      return v1::SPAN_KIND_UPDATE;
    case ActionKind::kEvaluate:
      return v1::SPAN_KIND_EVALUATE;
    case ActionKind::kCheckpoint:
      return v1::SPAN_KIND_CHECKPOINT;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

v1::SpanKind SpanOf(Wait wait) {
  switch (wait) {
    case Wait::kActivation:
      return v1::SPAN_KIND_WAIT_ACTIVATION;
    case Wait::kEvaluation:
      return v1::SPAN_KIND_WAIT_EVALUATION;
    case Wait::kGradient:
      return v1::SPAN_KIND_WAIT_GRADIENT;
    case Wait::kNone:
    case Wait::kFinished:
      return v1::SPAN_KIND_WAIT_SEND;
    case Wait::kHold:
      return v1::SPAN_KIND_HELD;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

v1::SpanKind SpanOfSent(FrameKind kind) {
  switch (kind) {
    case FrameKind::kActivation:
      return v1::SPAN_KIND_SEND_ACTIVATION;
    case FrameKind::kGradient:
      return v1::SPAN_KIND_SEND_GRADIENT;
    case FrameKind::kEvaluation:
      return v1::SPAN_KIND_SEND_EVALUATION;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

v1::SpanKind SpanOfReceived(FrameKind kind) {
  switch (kind) {
    case FrameKind::kActivation:
      return v1::SPAN_KIND_RECEIVE_ACTIVATION;
    case FrameKind::kGradient:
      return v1::SPAN_KIND_RECEIVE_GRADIENT;
    case FrameKind::kEvaluation:
      return v1::SPAN_KIND_RECEIVE_EVALUATION;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

}  // namespace paci
