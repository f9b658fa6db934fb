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

}  // namespace paci
