#include "worker/agent/trace_messages.h"

#include <algorithm>

#include "common/telemetry/anchored_clock.h"

namespace paci {
namespace {

constexpr double kMaxSeconds = 3600;
constexpr size_t kMaxSpans = 1 << 20;
// Of about 20 bytes each.
constexpr size_t kSpansAPart = 16384;

v1::Span ToProto(const SpanRecorder::RecordedSpan& recorded, SpanRecorder::Clock::time_point from) {
  using std::chrono::nanoseconds;
  v1::Span span;
  span.set_kind(recorded.kind);
  span.set_index(recorded.index);
  span.set_chunk(static_cast<uint32_t>(recorded.chunk));
  span.set_begin_nanos(nanoseconds(recorded.begin - from).count());
  span.set_duration_nanos(nanoseconds(recorded.end - recorded.begin).count());
  span.set_goes_on(recorded.goes_on);
  return span;
}

}  // namespace

SpanRecorder::Window WindowOf(const v1::TraceStage& command) {
  return {.updates = command.updates(),
          .limit = absl::Seconds(std::clamp(command.seconds(), 0.0, kMaxSeconds)),
          .max_spans = std::clamp<size_t>(command.max_spans(), 1, kMaxSpans)};
}

std::vector<v1::WorkerMessage> TraceMessages(
    const v1::Command& command, const absl::StatusOr<SpanRecorder::Recording>& recording) {
  std::vector<v1::WorkerMessage> messages;
  const size_t count = recording.ok() ? recording->spans.size() : 0;
  for (size_t i = 0; recording.ok() && (i == 0 || i < count); i += kSpansAPart) {
    v1::TracePart& part = *messages.emplace_back().mutable_trace();
    part.set_command_id(command.id());
    v1::StageTrace& trace = *part.mutable_trace();
    trace.set_stage(command.trace_stage().key().stage());
    trace.set_origin_unix_nanos(absl::ToUnixNanos(AnchoredTime(recording->began)));
    trace.set_cut_short(recording->cut_short);
    for (size_t j = i; j < std::min(count, i + kSpansAPart); ++j) {
      *trace.add_spans() = ToProto(recording->spans[j], recording->began);
    }
  }
  v1::CommandResult& result = *messages.emplace_back().mutable_result();
  result.set_id(command.id());
  result.set_code(static_cast<int>(recording.status().code()));
  result.set_message(std::string(recording.status().message()));
  return messages;
}

}  // namespace paci
