// What running stages record, over in-process channels and over TCP: all of what they do, as they
// do it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/unit/worker/runtime_pipeline.h"

namespace paci {
namespace {

using Recording = SpanRecorder::Recording;
using RecordedSpan = SpanRecorder::RecordedSpan;

constexpr v1::SpanKind kLastOfStage = v1::SPAN_KIND_HELD;

std::optional<ActionKind> ActionOf(v1::SpanKind kind) {
  switch (kind) {
    case v1::SPAN_KIND_FORWARD:
      return ActionKind::kForward;
    case v1::SPAN_KIND_BACKWARD:
      return ActionKind::kBackward;
    case v1::SPAN_KIND_WEIGHTS:
      return ActionKind::kWeights;
    case v1::SPAN_KIND_UPDATE:
      return ActionKind::kStep;
    case v1::SPAN_KIND_EVALUATE:
      return ActionKind::kEvaluate;
    case v1::SPAN_KIND_CHECKPOINT:
      return ActionKind::kCheckpoint;
    default:
      return std::nullopt;
  }
}

// Of a whole run.
std::vector<Recording> RecordingsOf(RuntimePipeline& pipeline, int stages) {
  std::vector<std::shared_ptr<SpanRecorder>> recorders;
  std::vector<uint64_t> numbers;
  for (int i = 0; i < stages; ++i) {
    EXPECT_TRUE(pipeline.sessions().stage(i).AwaitPrepared().ok());
    recorders.push_back(pipeline.sessions().stage(i).spans());
    numbers.push_back(recorders.back()->Begin({.limit = absl::Minutes(10), .max_spans = 10'000}));
  }
  for (const v1::StageReport& report : pipeline.Run()) {
    EXPECT_EQ(report.status().state(), v1::STAGE_STATE_FINISHED) << report.status().error();
  }
  std::vector<Recording> recordings;
  for (int i = 0; i < stages; ++i) recordings.push_back(*recorders[i]->AwaitEnd(numbers[i]));
  return recordings;
}

// The times at which frames of one sort were sent or received, by index; each once.
std::map<int64_t, RecordedSpan> FramesOf(const Recording& recording, v1::SpanKind kind) {
  std::map<int64_t, RecordedSpan> frames;
  for (const RecordedSpan& span : recording.spans) {
    if (span.kind == kind) {
      EXPECT_TRUE(frames.emplace(span.index, span).second);
    }
  }
  return frames;
}

// Every frame that one stage sent arrived at the other, not before it was queued.
void ExpectTransfers(const Recording& from, v1::SpanKind sent, const Recording& to,
                     v1::SpanKind received, size_t count) {
  const auto sends = FramesOf(from, sent);
  const auto arrivals = FramesOf(to, received);
  EXPECT_EQ(sends.size(), count);
  EXPECT_EQ(arrivals.size(), count);
  for (const auto& [index, send] : sends) {
    ASSERT_EQ(arrivals.count(index), 1u) << index;
    EXPECT_GE(arrivals.at(index).begin, send.begin);
  }
}

class RuntimeTrace : public testing::TestWithParam<std::tuple<std::string, Wire>> {};

TEST_P(RuntimeTrace, HasEveryActionInItsOrderAndEveryFrame) {
  RuntimeShape shape;
  shape.schedule = std::get<0>(GetParam());
  shape.eval_every = 2;
  RuntimePipeline pipeline(shape, std::get<1>(GetParam()), 1, absl::Milliseconds(1));
  const std::vector<Recording> recordings = RecordingsOf(pipeline, shape.stages);
  const size_t micro_batches = shape.accumulation * shape.updates;
  for (int i = 0; i < shape.stages; ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(recordings[i].cut_short, "the stage is over");
    std::vector<Action> actions;
    std::vector<RecordedSpan> of_stage;
    for (const RecordedSpan& span : recordings[i].spans) {
      if (const auto kind = ActionOf(span.kind)) actions.push_back({*kind, span.index});
      if (span.kind <= kLastOfStage) of_stage.push_back(span);
      EXPECT_LE(span.begin, span.end);
    }
    EXPECT_EQ(ToString(actions), ToString(pipeline.Trace(i)));
    for (size_t k = 1; k < of_stage.size(); ++k) {
      EXPECT_GE(of_stage[k].begin, of_stage[k - 1].end);
    }
    if (i == 0) continue;
    ExpectTransfers(recordings[i - 1], v1::SPAN_KIND_SEND_ACTIVATION, recordings[i],
                    v1::SPAN_KIND_RECEIVE_ACTIVATION, micro_batches);
    ExpectTransfers(recordings[i], v1::SPAN_KIND_SEND_GRADIENT, recordings[i - 1],
                    v1::SPAN_KIND_RECEIVE_GRADIENT, micro_batches);
    ExpectTransfers(recordings[i - 1], v1::SPAN_KIND_SEND_EVALUATION, recordings[i],
                    v1::SPAN_KIND_RECEIVE_EVALUATION, 3);
  }
}

// A stage that waits says for what: of each micro-batch the activation or the gradient that its
// next action needs.
TEST_P(RuntimeTrace, SaysWhatIsWaitedFor) {
  RuntimeShape shape;
  shape.schedule = std::get<0>(GetParam());
  RuntimePipeline pipeline(shape, std::get<1>(GetParam()), 1, absl::Milliseconds(1));
  const std::vector<Recording> recordings = RecordingsOf(pipeline, shape.stages);
  for (const Recording& recording : recordings) {
    int64_t forwards = 0;
    int64_t backwards = 0;
    for (const RecordedSpan& span : recording.spans) {
      if (span.kind == v1::SPAN_KIND_FORWARD) ++forwards;
      if (span.kind == v1::SPAN_KIND_BACKWARD) ++backwards;
      if (span.kind == v1::SPAN_KIND_WAIT_ACTIVATION) {
        EXPECT_EQ(span.index, forwards);
      }
      if (span.kind == v1::SPAN_KIND_WAIT_GRADIENT) {
        EXPECT_EQ(span.index, backwards);
      }
    }
  }
  const auto& last = recordings.back().spans;
  EXPECT_TRUE(std::any_of(last.begin(), last.end(), [](const RecordedSpan& span) {
    return span.kind == v1::SPAN_KIND_WAIT_ACTIVATION;
  })) << "the last stage begins by waiting";
}

INSTANTIATE_TEST_SUITE_P(Wires, RuntimeTrace,
                         testing::Combine(testing::Values("paci", "1f1b", "zb-h1"),
                                          testing::Values(Wire::kInproc, Wire::kTcp)));

}  // namespace
}  // namespace paci
