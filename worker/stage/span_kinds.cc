#include "worker/stage/span_kinds.h"

namespace paci {
namespace {

v1::SpanKind KindOf(ActionKind kind) {
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

v1::SpanKind KindOf(Wait wait) {
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

v1::SpanKind KindOfSent(FrameKind kind) {
  switch (kind) {
    case FrameKind::kActivation:
      return v1::SPAN_KIND_SEND_ACTIVATION;
    case FrameKind::kGradient:
      return v1::SPAN_KIND_SEND_GRADIENT;
    case FrameKind::kEvaluation:
      return v1::SPAN_KIND_SEND_EVALUATION;
    case FrameKind::kStateCopy:  // not of the pipeline
    case FrameKind::kControl:
    case FrameKind::kTied:
      break;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

v1::SpanKind KindOfReceived(FrameKind kind) {
  switch (kind) {
    case FrameKind::kActivation:
      return v1::SPAN_KIND_RECEIVE_ACTIVATION;
    case FrameKind::kGradient:
      return v1::SPAN_KIND_RECEIVE_GRADIENT;
    case FrameKind::kEvaluation:
      return v1::SPAN_KIND_RECEIVE_EVALUATION;
    case FrameKind::kStateCopy:
    case FrameKind::kControl:
    case FrameKind::kTied:
      break;
  }
  return v1::SPAN_KIND_UNSPECIFIED;
}

}  // namespace

SpanKey SpanOf(Action action) { return {KindOf(action.kind), action.index, action.chunk}; }

SpanKey SpanOf(Wait wait, const std::optional<Action>& awaited) {
  if (!awaited) return {KindOf(wait)};
  return {KindOf(wait), awaited->index, awaited->chunk};
}

SpanKey SpanOfSent(const FrameTag& tag) {
  return {KindOfSent(tag.kind), static_cast<int64_t>(tag.index), int64_t{tag.chunk}};
}

SpanKey SpanOfReceived(const FrameTag& tag) {
  return {KindOfReceived(tag.kind), static_cast<int64_t>(tag.index), int64_t{tag.chunk}};
}

}  // namespace paci
