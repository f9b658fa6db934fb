#include "coordinator/job/tracing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using testing::HasSubstr;

// Plays the workers "w0", "w1", ... of a job, each with a clock of its own, and the time.
class TracingTest : public testing::Test {
 protected:
  struct Sent {
    std::string worker_id;
    v1::Command command;
  };

  absl::Status Begin(TraceTicket ticket, const v1::TraceJobRequest& request, uint32_t stages) {
    std::vector<TraceTarget> targets;
    for (uint32_t i = 0; i < stages; ++i) {
      v1::StageKey key;
      key.set_job_id(request.job_id());
      key.set_generation(1);
      key.set_stage(i);
      targets.push_back({key, absl::StrCat("w", i), absl::StrCat("w", i), ""});
    }
    return Begin(ticket, request, targets);
  }
  absl::Status Begin(TraceTicket ticket, const v1::TraceJobRequest& request,
                     const std::vector<TraceTarget>& targets) {
    return tracing_.Begin(ticket, request, targets, now_, send_);
  }

  // Answers `sent` with the worker's clock: it is `ahead`, and each way takes 1 ms.
  void AnswerClock(const Sent& sent, absl::Duration ahead) {
    v1::CommandResult result;
    result.set_id(sent.command.id());
    v1::ClockReading& clock = *result.mutable_clock();
    clock.set_sent_unix_nanos(absl::ToUnixNanos(now_));
    clock.set_received_unix_nanos(absl::ToUnixNanos(now_ + absl::Milliseconds(1) + ahead));
    clock.set_answered_unix_nanos(clock.received_unix_nanos());
    now_ += absl::Milliseconds(2);
    clock.set_returned_unix_nanos(absl::ToUnixNanos(now_));
    EXPECT_TRUE(tracing_.OnResult(sent.worker_id, result, now_, send_));
  }
  void AnswerTrace(const Sent& sent, int spans) {
    v1::TracePart part;
    part.set_command_id(sent.command.id());
    for (int i = 0; i < spans; ++i) part.mutable_trace()->add_spans()->set_index(i);
    tracing_.OnPart(sent.worker_id, part);
    v1::CommandResult result;
    result.set_id(sent.command.id());
    EXPECT_TRUE(tracing_.OnResult(sent.worker_id, result, now_, send_));
  }
  // Everyone but `silent` does all they are asked for.
  void AnswerAll(const std::string& silent = "") {
    while (!sent_.empty()) {
      const Sent sent = sent_.front();
      sent_.pop_front();
      if (sent.worker_id == silent) continue;
      if (sent.command.has_sync_clock()) {
        AnswerClock(sent, absl::Seconds(sent.worker_id[1] - '0'));
      } else {
        AnswerTrace(sent, 2);
      }
    }
  }
  void Pass(absl::Duration time) {
    now_ += time;
    tracing_.Tick(now_, send_);
  }
  static v1::TraceJobRequest Request(const std::string& job_id, double seconds = 1) {
    v1::TraceJobRequest request;
    request.set_job_id(job_id);
    request.set_updates(3);
    request.set_seconds(seconds);
    return request;
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::deque<Sent> sent_;
  uint64_t next_id_ = 1;
  std::function<uint64_t(const std::string&, v1::Command)> send_ =
      [this](const std::string& worker_id, v1::Command command) {
        command.set_id(next_id_++);
        sent_.push_back({worker_id, command});
        return command.id();
      };
  Tracing tracing_{{.exchanges = 2, .max_traces = 2, .max_spans = 100, .max_stage_spans = 40}};
};

TEST_F(TracingTest, AllRecordAtOnceOnceAllHaveSaidTheirTime) {
  ASSERT_TRUE(Begin(7, Request("a-1"), 2).ok());
  ASSERT_EQ(sent_.size(), 2u);
  // One is done with its exchanges before the other has answered at all.
  const Sent other = sent_[1];
  sent_.pop_back();
  for (int i = 0; i < 2; ++i) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    AnswerClock(sent, absl::ZeroDuration());
  }
  EXPECT_TRUE(sent_.empty());
  AnswerClock(other, absl::ZeroDuration());
  const Sent second = sent_.front();
  sent_.pop_front();
  AnswerClock(second, absl::ZeroDuration());
  ASSERT_EQ(sent_.size(), 2u);
  for (const Sent& sent : sent_) {
    const v1::TraceStage& order = sent.command.trace_stage();
    EXPECT_EQ(order.key().job_id(), "a-1");
    EXPECT_EQ(absl::StrCat("w", order.key().stage()), sent.worker_id);
    EXPECT_EQ(order.updates(), 3u);
    EXPECT_EQ(order.seconds(), 1);
    EXPECT_EQ(order.max_spans(), 40u);
  }
  AnswerAll();
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].ticket, 7u);
  EXPECT_TRUE(tracing_.TakeOutcomes().empty());
}

TEST_F(TracingTest, EachStageComesWithTheOffsetAndTheErrorOfItsClock) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 3).ok());
  AnswerAll();
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  ASSERT_EQ(outcomes[0].stages.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    const v1::StageTrace& stage = outcomes[0].stages[i];
    EXPECT_EQ(stage.stage(), static_cast<uint32_t>(i));
    EXPECT_EQ(stage.worker_name(), absl::StrCat("w", i));
    EXPECT_EQ(stage.spans_size(), 2);
    EXPECT_EQ(stage.error(), "");
    EXPECT_EQ(stage.clock_offset_nanos(), -1'000'000'000 * i);
    EXPECT_EQ(stage.clock_error_nanos(), 1'000'001u);
  }
}

TEST_F(TracingTest, AClockThatDriftsMeanwhileHasALargerError) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 1).ok());
  absl::Duration ahead = absl::ZeroDuration();
  while (!sent_.empty()) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    if (sent.command.has_sync_clock()) {
      AnswerClock(sent, ahead);
    } else {
      ahead = absl::Milliseconds(10);
      AnswerTrace(sent, 1);
    }
  }
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[0].clock_offset_nanos(), -5'000'000);
  EXPECT_EQ(outcomes[0].stages[0].clock_error_nanos(), 6'000'001u);
}

TEST_F(TracingTest, AWorkerThatDoesNotSayItsTimeIsLeftOut) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 2).ok());
  AnswerAll("w1");
  EXPECT_TRUE(tracing_.TakeOutcomes().empty());
  Pass(absl::Seconds(5));
  AnswerAll();
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  ASSERT_EQ(outcomes[0].stages.size(), 2u);
  EXPECT_EQ(outcomes[0].stages[0].spans_size(), 2);
  EXPECT_EQ(outcomes[0].stages[1].spans_size(), 0);
  EXPECT_EQ(outcomes[0].stages[1].worker_name(), "w1");
  EXPECT_EQ(outcomes[0].stages[1].error(), "its worker did not say its time within 5s");
}

TEST_F(TracingTest, AWorkerThatDoesNotSendItsSpansIsLeftOut) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 2).ok());
  Sent unanswered;
  while (!sent_.empty()) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    if (sent.command.has_sync_clock()) {
      AnswerClock(sent, absl::ZeroDuration());
    } else if (sent.worker_id == "w0") {
      unanswered = sent;
    } else {
      AnswerTrace(sent, 2);
    }
  }
  Pass(absl::Seconds(10));
  EXPECT_TRUE(tracing_.TakeOutcomes().empty()) << "window and patience are 11 s";
  Pass(absl::Seconds(1));
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[0].error(), "its worker did not send what it recorded within 11s");
  EXPECT_EQ(outcomes[0].stages[1].spans_size(), 2);
  // What comes too late is nobody's.
  v1::CommandResult late;
  late.set_id(unanswered.command.id());
  EXPECT_FALSE(tracing_.OnResult("w0", late, now_, send_));
}

TEST_F(TracingTest, WhatAWorkerSentBeforeItWasLostStays) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 2).ok());
  while (!sent_.empty() && sent_.front().command.has_sync_clock()) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    AnswerClock(sent, absl::ZeroDuration());
  }
  ASSERT_EQ(sent_.size(), 2u);
  v1::TracePart part;
  part.set_command_id(sent_[0].command.id());
  part.mutable_trace()->add_spans();
  tracing_.OnPart("w0", part);
  tracing_.OnWorkerLost("w0", "its stream broke", now_, send_);
  sent_.pop_front();
  AnswerAll();
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[0].spans_size(), 1);
  EXPECT_EQ(outcomes[0].stages[0].error(), "its worker was lost meanwhile: its stream broke");
}

TEST_F(TracingTest, WhenNobodyCanBeAskedItEndsAtOnce) {
  std::vector<TraceTarget> targets(2);
  for (TraceTarget& target : targets) target.out_of_reach = "its worker is out of reach: why";
  ASSERT_TRUE(Begin(1, Request("a-1"), targets).ok());
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[1].error(), "its worker is out of reach: why");
  EXPECT_TRUE(sent_.empty());
}

TEST_F(TracingTest, AnErrorOfAWorkerIsItsStagesAlone) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 2).ok());
  v1::CommandResult refused;
  refused.set_id(sent_[1].command.id());
  refused.set_code(static_cast<int>(absl::StatusCode::kUnimplemented));
  refused.set_message("this version of paci-worker does not know the command");
  EXPECT_FALSE(tracing_.OnResult("w0", refused, now_, send_)) << "of another worker";
  EXPECT_TRUE(tracing_.OnResult("w1", refused, now_, send_));
  AnswerAll("w1");
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[0].error(), "");
  EXPECT_THAT(outcomes[0].stages[1].error(), HasSubstr("does not know the command"));
}

TEST_F(TracingTest, MoreSpansThanWereAskedForAreRefused) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 1).ok());
  while (sent_.front().command.has_sync_clock()) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    AnswerClock(sent, absl::ZeroDuration());
  }
  v1::TracePart part;
  part.set_command_id(sent_.front().command.id());
  for (int i = 0; i < 41; ++i) part.mutable_trace()->add_spans();
  tracing_.OnPart("w0", part);
  Pass(absl::ZeroDuration());
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].stages[0].spans_size(), 0);
  EXPECT_THAT(outcomes[0].stages[0].error(), HasSubstr("more than 40 spans"));
}

TEST_F(TracingTest, AJobIsTracedOnceAtATimeAndSoManyJobsAtOnce) {
  ASSERT_TRUE(Begin(1, Request("a-1"), 1).ok());
  const absl::Status again = Begin(2, Request("a-1"), 1);
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(again.message(), "job a-1 is being traced already; wait for the end of that trace");
  ASSERT_TRUE(Begin(3, Request("b-2"), 1).ok());
  EXPECT_EQ(Begin(4, Request("c-3"), 1).code(), absl::StatusCode::kResourceExhausted);
  // A caller that went away makes room, and what comes for it is nobody's.
  tracing_.Abandon(1);
  EXPECT_TRUE(Begin(5, Request("a-1"), 1).ok());
  v1::CommandResult stale;
  stale.set_id(sent_.front().command.id());
  EXPECT_FALSE(tracing_.OnResult("w0", stale, now_, send_));
  sent_.pop_front();
  AnswerAll();
  const std::vector<TraceOutcome> outcomes = tracing_.TakeOutcomes();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_EQ(outcomes[0].ticket + outcomes[1].ticket, 3u + 5u);
}

TEST_F(TracingTest, AWindowIsWithinItsLimits) {
  v1::TraceJobRequest request = Request("a-1");
  request.set_updates(1001);
  EXPECT_EQ(Begin(1, request, 1).message(),
            "a trace of 1001 updates is not possible; expected at most 1000 (--updates)");
  for (const double seconds : {-1.0, 60.5, std::nan("")}) {
    const absl::Status refused = Begin(1, Request("a-1", seconds), 1);
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("; expected at most 60"));
  }
  ASSERT_TRUE(Begin(1, Request("a-1", 0), 1).ok());
  while (sent_.front().command.has_sync_clock()) {
    const Sent sent = sent_.front();
    sent_.pop_front();
    AnswerClock(sent, absl::ZeroDuration());
  }
  EXPECT_EQ(sent_.front().command.trace_stage().seconds(), 60);
}

}  // namespace
}  // namespace paci
