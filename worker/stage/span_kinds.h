#pragma once

#include "common/schedule/schedule.h"
#include "common/transport/channel.h"
#include "worker/stage/span_recorder.h"

namespace paci {

// What a trace calls the doings of a stage.
SpanKey SpanOf(Action action);
SpanKey SpanOf(Wait wait, int64_t index);
SpanKey SpanOfSent(const FrameTag& tag);
SpanKey SpanOfReceived(const FrameTag& tag);

}  // namespace paci
