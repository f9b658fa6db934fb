#include "worker/stage/span_recorder.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <thread>

namespace paci {
namespace {

using Clock = SpanRecorder::Clock;

// Long enough for any machine; nothing here waits for it to pass.
constexpr absl::Duration kPatience = absl::Minutes(10);

void Add(SpanRecorder& spans, v1::SpanKind kind, int64_t index) {
  spans.Add({kind, index}, Clock::now(), Clock::now());
}

TEST(SpanRecorder, KeepsNothingWhileItIsOff) {
  SpanRecorder spans;
  Add(spans, v1::SPAN_KIND_FORWARD, 0);
  EXPECT_EQ(spans.Now(), Clock::time_point());
  const uint64_t number = spans.Begin({.updates = 1, .limit = kPatience, .max_spans = 10});
  Add(spans, v1::SPAN_KIND_UPDATE, 0);
  Add(spans, v1::SPAN_KIND_UPDATE, 1);
  Add(spans, v1::SPAN_KIND_FORWARD, 1);
  const auto recording = spans.AwaitEnd(number);
  ASSERT_TRUE(recording.ok()) << recording.status();
  ASSERT_EQ(recording->spans.size(), 2u);
  EXPECT_EQ(recording->spans[0].kind, v1::SPAN_KIND_UPDATE);
  EXPECT_EQ(recording->cut_short, "");
}

TEST(SpanRecorder, AWindowOfUpdatesIsOverWithTheLastAfterTheOneAtHand) {
  SpanRecorder spans;
  spans.Begin({.updates = 2, .limit = kPatience, .max_spans = 10});
  for (int64_t update = 7; update < 10; ++update) {
    EXPECT_TRUE(spans.is_on());
    Add(spans, v1::SPAN_KIND_UPDATE, update);
  }
  EXPECT_FALSE(spans.is_on());
}

TEST(SpanRecorder, EndsWithItsLastSpanAndSaysThatItIsCutShort) {
  SpanRecorder spans;
  const uint64_t number = spans.Begin({.updates = 0, .limit = kPatience, .max_spans = 3});
  for (int64_t i = 0; i < 4; ++i) Add(spans, v1::SPAN_KIND_FORWARD, i);
  const auto recording = spans.AwaitEnd(number);
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->spans.size(), 3u);
  EXPECT_EQ(recording->cut_short, "its 3 spans were used up");
}

TEST(SpanRecorder, EndsAtItsLimitWhateverTheStageDoes) {
  SpanRecorder spans;
  const uint64_t of_time = spans.Begin({.limit = absl::Milliseconds(1), .max_spans = 3});
  EXPECT_EQ(spans.AwaitEnd(of_time)->cut_short, "");
  const uint64_t of_updates =
      spans.Begin({.updates = 2, .limit = absl::Milliseconds(1), .max_spans = 3});
  Add(spans, v1::SPAN_KIND_UPDATE, 4);
  EXPECT_EQ(spans.AwaitEnd(of_updates)->cut_short, "it finished 0 of 2 updates in 1ms");
  EXPECT_FALSE(spans.is_on());
}

TEST(SpanRecorder, WhatTheStageIsInTheMiddleOfAtTheLimitIsShownWheneverItBegan) {
  SpanRecorder spans;
  const Clock::time_point long_ago = Clock::now() - std::chrono::hours(1);
  spans.Start({v1::SPAN_KIND_WAIT_GRADIENT, 17, 3}, long_ago);
  const uint64_t number = spans.Begin({.limit = absl::Milliseconds(1), .max_spans = 3});
  const auto recording = spans.AwaitEnd(number);
  ASSERT_EQ(recording->spans.size(), 1u);
  EXPECT_EQ(recording->spans[0].kind, v1::SPAN_KIND_WAIT_GRADIENT);
  EXPECT_EQ(recording->spans[0].index, 17);
  EXPECT_EQ(recording->spans[0].chunk, 3);
  EXPECT_EQ(recording->spans[0].begin, long_ago);
  EXPECT_GE(recording->spans[0].end, recording->began);
  EXPECT_TRUE(recording->spans[0].goes_on);
}

TEST(SpanRecorder, WhatIsDoneIsNotShownAsUnfinishedAndNothingOverlapsWhatIs) {
  SpanRecorder spans;
  const Clock::time_point begin = Clock::now();
  spans.Start({v1::SPAN_KIND_FORWARD, 0}, begin);
  const uint64_t done = spans.Begin({.limit = absl::Milliseconds(1), .max_spans = 3});
  spans.Finish({v1::SPAN_KIND_FORWARD, 0}, begin, Clock::now());
  EXPECT_EQ(spans.AwaitEnd(done)->spans.size(), 1u);

  const uint64_t next = spans.Begin({.limit = absl::Milliseconds(1), .max_spans = 3});
  const Clock::time_point end = Clock::now();
  spans.Finish({v1::SPAN_KIND_FORWARD, 1}, begin, end);
  spans.Start({v1::SPAN_KIND_BACKWARD, 0}, begin);
  const auto recording = spans.AwaitEnd(next);
  ASSERT_EQ(recording->spans.size(), 2u);
  EXPECT_EQ(recording->spans[1].begin, end);
  EXPECT_FALSE(recording->spans[0].goes_on);
}

TEST(SpanRecorder, SaysWhatTheStageDoesWhetherItIsOnOrNot) {
  SpanRecorder spans;
  EXPECT_FALSE(spans.DoingNow().has_value());
  const Clock::time_point begin = Clock::now();
  spans.Start({v1::SPAN_KIND_WAIT_GRADIENT, 17, 3}, begin);
  const auto doing = spans.DoingNow();
  ASSERT_TRUE(doing.has_value());
  EXPECT_EQ(doing->key.kind, v1::SPAN_KIND_WAIT_GRADIENT);
  EXPECT_EQ(doing->key.index, 17);
  EXPECT_EQ(doing->key.chunk, 3);
  EXPECT_EQ(doing->since, begin);
  spans.Finish({v1::SPAN_KIND_WAIT_GRADIENT, 17, 3}, begin, Clock::now());
  EXPECT_FALSE(spans.DoingNow().has_value());
}

TEST(SpanRecorder, ASpanThatWasBegunWhileItWasOffIsNotKept) {
  SpanRecorder spans;
  const Clock::time_point before = spans.Now();
  const uint64_t number = spans.Begin({.limit = kPatience, .max_spans = 3});
  spans.AddSince(before, {v1::SPAN_KIND_SEND_GRADIENT, 1});
  spans.AddSince(spans.Now(), {v1::SPAN_KIND_SEND_GRADIENT, 2});
  spans.Close("the stage is over");
  const auto recording = spans.AwaitEnd(number);
  ASSERT_EQ(recording->spans.size(), 1u);
  EXPECT_EQ(recording->spans[0].index, 2);
  EXPECT_GE(recording->spans[0].end, recording->spans[0].begin);
}

TEST(SpanRecorder, TheEndOfTheStageEndsTheWindowAtHandAndEveryLaterOne) {
  SpanRecorder spans;
  const uint64_t number = spans.Begin({.limit = kPatience, .max_spans = 3});
  std::thread stage([&] { spans.Close("the stage is over"); });
  EXPECT_EQ(spans.AwaitEnd(number)->cut_short, "the stage is over");
  stage.join();
  const uint64_t later = spans.Begin({.limit = kPatience, .max_spans = 3});
  EXPECT_FALSE(spans.is_on());
  EXPECT_EQ(spans.AwaitEnd(later)->cut_short, "the stage is over");
}

TEST(SpanRecorder, ANewRecordingTakesThePlaceOfTheOneAtHand) {
  SpanRecorder spans;
  const uint64_t first = spans.Begin({.limit = kPatience, .max_spans = 3});
  Add(spans, v1::SPAN_KIND_FORWARD, 0);
  const uint64_t second = spans.Begin({.limit = kPatience, .max_spans = 3});
  EXPECT_EQ(spans.AwaitEnd(first).status().code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(spans.is_on());
  spans.Close("over");
  EXPECT_TRUE(spans.AwaitEnd(second)->spans.empty());
}

TEST(SpanRecorder, TakesSpansOfSeveralThreadsWhileWindowsComeAndGo) {
  SpanRecorder spans;
  std::atomic<bool> is_over = false;
  const auto add = [&](v1::SpanKind kind) {
    for (int64_t i = 0; !is_over; ++i) Add(spans, kind, i);
  };
  std::thread stage(add, v1::SPAN_KIND_FORWARD);
  std::thread io(add, v1::SPAN_KIND_RECEIVE_GRADIENT);
  for (int i = 0; i < 20; ++i) {
    const auto recording = spans.AwaitEnd(spans.Begin({.limit = kPatience, .max_spans = 1000}));
    ASSERT_TRUE(recording.ok());
    EXPECT_EQ(recording->spans.size(), 1000u);
    std::map<v1::SpanKind, int64_t> last;
    for (const SpanRecorder::RecordedSpan& span : recording->spans) {
      const auto [it, is_first] = last.try_emplace(span.kind, span.index);
      if (!is_first) {
        EXPECT_EQ(span.index, ++it->second) << "none is lost in between";
      }
    }
  }
  is_over = true;
  stage.join();
  io.join();
}

}  // namespace
}  // namespace paci
