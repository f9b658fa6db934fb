#pragma once

#include <optional>

#include "common/schedule/schedule.h"
#include "common/transport/channel.h"
#include "worker/stage/span_recorder.h"

namespace paci {

// What a trace calls the doings of a stage.
SpanKey SpanOf(Action action);
// `awaited`: what the stage would do if it had not to wait; may be nothing.
SpanKey SpanOf(Wait wait, const std::optional<Action>& awaited);
SpanKey SpanOfSent(const FrameTag& tag);
SpanKey SpanOfReceived(const FrameTag& tag);

}  // namespace paci
