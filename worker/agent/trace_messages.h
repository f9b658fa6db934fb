#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"
#include "worker/stage/span_recorder.h"

namespace paci {

// The window that a TraceStage asks for, within what a worker can bear.
SpanRecorder::Window WindowOf(const v1::TraceStage& command);

// What a worker answers to a TraceStage: parts that are small beside a message's limit of 4 MiB, by
// the clock of common/telemetry/anchored_clock.h; then the result.
std::vector<v1::WorkerMessage> TraceMessages(
    const v1::Command& command, const absl::StatusOr<SpanRecorder::Recording>& recording);

}  // namespace paci
