#include "worker/agent/trace_messages.h"

#include <gtest/gtest.h>

#include "common/telemetry/anchored_clock.h"

namespace paci {
namespace {

v1::Command TraceCommand() {
  v1::Command command;
  command.set_id(17);
  command.mutable_trace_stage()->mutable_key()->set_stage(3);
  return command;
}

TEST(TraceMessages, ManySpansGoInSeveralSmallPartsInTheirOrder) {
  SpanRecorder::Recording recording;
  recording.began = SpanRecorder::Clock::now();
  recording.cut_short = "its spans were used up";
  for (int64_t i = 0; i < 40'000; ++i) {
    const auto begin = recording.began + std::chrono::microseconds(i - 5);
    recording.spans.push_back(
        {{v1::SPAN_KIND_BACKWARD, i, i % 3}, begin, begin + std::chrono::nanoseconds(i)});
  }
  const std::vector<v1::WorkerMessage> messages = TraceMessages(TraceCommand(), recording);
  ASSERT_EQ(messages.size(), 4u);
  int64_t next = 0;
  for (size_t i = 0; i + 1 < messages.size(); ++i) {
    EXPECT_LT(messages[i].ByteSizeLong(), 1u << 20);
    EXPECT_EQ(messages[i].trace().command_id(), 17u);
    const v1::StageTrace& trace = messages[i].trace().trace();
    EXPECT_EQ(trace.stage(), 3u);
    EXPECT_EQ(trace.cut_short(), "its spans were used up");
    EXPECT_EQ(trace.origin_unix_nanos(), absl::ToUnixNanos(AnchoredTime(recording.began)));
    for (const v1::Span& span : trace.spans()) {
      ASSERT_EQ(span.index(), static_cast<uint64_t>(next));
      ASSERT_EQ(span.chunk(), next % 3);
      ASSERT_EQ(span.begin_nanos(), (next - 5) * 1000);
      ASSERT_EQ(span.duration_nanos(), static_cast<uint64_t>(next));
      ++next;
    }
  }
  EXPECT_EQ(next, 40'000);
  EXPECT_EQ(messages.back().result().id(), 17u);
  EXPECT_EQ(messages.back().result().code(), 0);
}

TEST(TraceMessages, AWindowInWhichNothingHappenedIsOnePart) {
  const auto messages = TraceMessages(TraceCommand(), SpanRecorder::Recording());
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].trace().trace().spans_size(), 0);
}

TEST(TraceMessages, AnErrorIsAResultAlone) {
  const auto messages = TraceMessages(TraceCommand(), absl::AbortedError("another took its place"));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].result().code(), static_cast<int>(absl::StatusCode::kAborted));
  EXPECT_EQ(messages[0].result().message(), "another took its place");
}

TEST(TraceMessages, TheWindowIsWithinWhatAWorkerCanBear) {
  v1::TraceStage command;
  command.set_updates(3);
  command.set_seconds(1e9);
  command.set_max_spans(UINT32_MAX);
  SpanRecorder::Window window = WindowOf(command);
  EXPECT_EQ(window.updates, 3u);
  EXPECT_LE(window.limit, absl::Hours(1));
  EXPECT_LE(window.max_spans, 1u << 20);
  command.set_seconds(-1);
  command.set_max_spans(0);
  window = WindowOf(command);
  EXPECT_EQ(window.limit, absl::ZeroDuration());
  EXPECT_EQ(window.max_spans, 1u);
}

}  // namespace
}  // namespace paci
