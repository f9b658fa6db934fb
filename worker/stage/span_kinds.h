#pragma once

#include "common/schedule/schedule.h"
#include "common/transport/channel.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What a trace calls the doings of a stage.
v1::SpanKind SpanOf(ActionKind kind);
v1::SpanKind SpanOf(Wait wait);
v1::SpanKind SpanOfSent(FrameKind kind);
v1::SpanKind SpanOfReceived(FrameKind kind);

// A SpanRecorder's index: a micro-batch (or update, or checkpoint) and a model chunk in one.
constexpr int kSpanChunkShift = 48;
inline int64_t SpanIndex(int64_t index, int64_t chunk) { return chunk << kSpanChunkShift | index; }
inline int64_t SpanIndex(Action action) { return SpanIndex(action.index, action.chunk); }
inline int64_t SpanIndex(const FrameTag& tag) {
  return SpanIndex(static_cast<int64_t>(tag.index), static_cast<int64_t>(tag.chunk));
}

}  // namespace paci
