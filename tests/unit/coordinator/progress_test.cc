#include "coordinator/job/progress.h"

#include <gtest/gtest.h>

#include "coordinator/job/records.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

TEST(RateWindow, IsTheSlopeOfTheLastSamples) {
  RateWindow window;
  EXPECT_EQ(window.Rate(At(0)), 0);
  window.Add(At(0), 100);
  EXPECT_EQ(window.Rate(At(1)), 0);
  for (int i = 1; i <= 10; ++i) window.Add(At(i), 100 + 50 * i);
  EXPECT_DOUBLE_EQ(window.Rate(At(10)), 50);
}

TEST(RateWindow, ForgetsWhatIsOld) {
  RateWindow window;
  for (int i = 0; i <= 20; ++i) window.Add(At(i), i);
  for (int i = 21; i <= 60; ++i) window.Add(At(i), 20 + 10 * (i - 20));
  EXPECT_DOUBLE_EQ(window.Rate(At(60)), 10);
}

TEST(RateWindow, FallsWhileNothingComes) {
  RateWindow window;
  for (uint64_t i = 0; i <= 10; ++i) window.Add(At(static_cast<double>(i)), 10 * i);
  EXPECT_DOUBLE_EQ(window.Rate(At(11.5)), 10);
  EXPECT_DOUBLE_EQ(window.Rate(At(20)), 5);
}

TEST(RateWindow, ACountThatFallsBeginsAnew) {
  RateWindow window;
  window.Add(At(0), 1000);
  window.Add(At(1), 2000);
  window.Add(At(2), 10);
  EXPECT_EQ(window.Rate(At(2)), 0);
  window.Add(At(3), 20);
  EXPECT_DOUBLE_EQ(window.Rate(At(3)), 10);
}

TEST(Progress, IsThatOfTheSlowestStage) {
  JobRecord record;
  *record.job().mutable_spec() = SmallSpec("a", 2, 10);
  record.job().mutable_spec()->mutable_pipeline()->set_accumulation(4);
  record.job().mutable_spec()->mutable_pipeline()->set_micro_batch(2);
  record.job().mutable_spec()->mutable_model()->set_context(16);
  record.stages.resize(2);
  const auto report = [&](size_t stage, uint64_t updates, uint64_t backwards, double at) {
    record.stages[stage].report_sequence = 1;
    record.stages[stage].status.set_updates(updates);
    record.stages[stage].status.set_backwards(backwards);
    UpdateProgress(record, At(at));
  };
  report(0, 3, 13, 0);
  EXPECT_EQ(record.job().progress().updates(), 0U);
  report(1, 2, 10, 1);
  EXPECT_EQ(record.job().progress().updates(), 2U);
  EXPECT_EQ(record.job().progress().tokens(), 2U * 4 * 2 * 16);
  report(1, 3, 12, 2);
  EXPECT_EQ(record.job().progress().tokens(), 3U * 4 * 2 * 16);
  // 2 micro-batches of 32 tokens in 1 s, and 28 to go.
  EXPECT_DOUBLE_EQ(record.job().progress().tokens_per_second(), 2 * 32);
  EXPECT_DOUBLE_EQ(record.job().progress().eta_seconds(), 28 / 2.0);
}

TEST(Progress, CountsMicroBatchesOfTheSizeThatTheyHave) {
  JobRecord record;
  *record.job().mutable_spec() = SmallSpec("a", 1, 10);
  record.job().mutable_spec()->mutable_pipeline()->set_accumulation(4);
  record.job().mutable_spec()->mutable_pipeline()->set_micro_batch(2);
  record.job().mutable_spec()->mutable_model()->set_context(16);
  record.job().set_micro_batch_split(2);
  record.stages.resize(1);
  record.stages[0].report_sequence = 1;
  for (const uint64_t backwards : {24, 26}) {
    record.stages[0].status.set_updates(3);
    record.stages[0].status.set_backwards(backwards);
    UpdateProgress(record, At(static_cast<double>(backwards)));
  }
  EXPECT_EQ(record.job().progress().tokens(), 3U * 4 * 2 * 16);
  EXPECT_DOUBLE_EQ(record.job().progress().tokens_per_second(), 2 * 16 / 2.0);
  EXPECT_DOUBLE_EQ(record.job().progress().eta_seconds(), 54.0);
}

TEST(Progress, HasNoRateUntilEveryStageHasSpokenInThisGenerationToThisCoordinator) {
  JobRecord record;
  *record.job().mutable_spec() = SmallSpec("a", 2, 10);
  record.stages.resize(2);
  const auto report = [&](size_t stage, uint64_t backwards, double at) {
    record.stages[stage].report_sequence = 1;
    record.stages[stage].status.set_backwards(backwards);
    UpdateProgress(record, At(at));
    return record.job().progress().tokens_per_second();
  };
  // What it remembers is 0; much was done while it was away, or before the generation.
  EXPECT_EQ(report(0, 5000, 0), 0);
  EXPECT_EQ(report(1, 5000, 1), 0);
  report(0, 5010, 2);
  const double tokens =
      1.0 * record.spec().pipeline().micro_batch() * record.spec().model().context();
  EXPECT_DOUBLE_EQ(report(1, 5010, 3), 10 * tokens / 2);
}

TEST(Progress, KeepsTheFirstValidationLossAndTheLast) {
  v1::JobProgress progress;
  for (const double loss : {5.0, 4.0, 3.0}) {
    v1::MetricPoint point;
    point.set_validation_loss(loss);
    UpdateProgress(point, progress);
  }
  EXPECT_EQ(progress.first_validation_loss(), 5.0);
  EXPECT_EQ(progress.last_validation_loss(), 3.0);
  EXPECT_FALSE(progress.has_loss());
}

}  // namespace
}  // namespace paci
