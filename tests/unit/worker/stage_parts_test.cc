// The small parts of a stage: slots, versions, what the monitor reports.
#include <gtest/gtest.h>

#include <cmath>

#include "worker/stage/slot_pool.h"
#include "worker/stage/stage_monitor.h"
#include "worker/stage/version_tracker.h"

namespace paci {
namespace {

TEST(SlotPool, GivesEachSlotAgainOnlyAfterItsRelease) {
  SlotPool pool(2);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 1);
  EXPECT_TRUE(pool.IsEmpty());
  pool.Release(1);
  EXPECT_FALSE(pool.IsEmpty());
  EXPECT_EQ(pool.Take(), 1);
  EXPECT_TRUE(pool.IsEmpty());
}

TEST(VersionTracker, MeasuresUpdatesBetweenForwardAndBackward) {
  const std::vector<float> sample(4, 1.0f);
  VersionTracker versions(sample);
  versions.OnForward(0);
  versions.OnForward(0);
  EXPECT_EQ(versions.OnBackward().lag, 0);
  versions.OnStep(sample);
  versions.OnForward(1);
  versions.OnStep(sample);
  EXPECT_EQ(versions.OnBackward().lag, 2);
  EXPECT_EQ(versions.OnBackward().lag, 1);
}

TEST(VersionTracker, KnowsTheVersionBeforeThePresentEvenIfNoneInFlightUsesIt) {
  VersionTracker versions(std::vector<float>{3, 4});
  versions.OnStep(std::vector<float>{3, 4.5});
  versions.OnForward(0);
  const VersionTracker::Measured measured = versions.OnBackward();
  EXPECT_EQ(measured.lag, 1);
  EXPECT_DOUBLE_EQ(measured.drift, 0.1);
}

TEST(VersionTracker, MeasuresHowFarTheWeightsMovedRelativeToTheForwards) {
  VersionTracker versions(std::vector<float>{3, 4});
  versions.OnForward(0);
  versions.OnStep(std::vector<float>{3, 4.5});
  versions.OnForward(1);
  const VersionTracker::Measured first = versions.OnBackward();
  EXPECT_EQ(first.lag, 1);
  EXPECT_DOUBLE_EQ(first.drift, 0.1);
  EXPECT_EQ(versions.OnBackward().drift, 0);
}

v1::MetricPoint PointOf(uint64_t update) {
  v1::MetricPoint point;
  point.set_update(update);
  return point;
}

TEST(StageMonitor, RepeatsAPointUntilAReportThatCarriedItIsStored) {
  StageMonitor monitor{v1::StageStatus()};
  monitor.OnPoint(PointOf(1));
  const v1::StageReport first = monitor.MakeReport();
  ASSERT_EQ(first.points_size(), 1);
  monitor.OnPoint(PointOf(2));
  const v1::StageReport second = monitor.MakeReport();
  ASSERT_EQ(second.points_size(), 2);
  monitor.OnReportStored(first.sequence());
  const v1::StageReport third = monitor.MakeReport();
  ASSERT_EQ(third.points_size(), 1);
  EXPECT_EQ(third.points(0).update(), 2);
  monitor.OnReportStored(third.sequence());
  EXPECT_EQ(monitor.MakeReport().points_size(), 0);
}

TEST(StageMonitor, NeverOmitsAPointHoweverManyWereNotStored) {
  StageMonitor monitor{v1::StageStatus()};
  constexpr int kPoints = 10000;
  for (int i = 1; i <= kPoints; ++i) monitor.OnPoint(PointOf(i));
  uint64_t next = 1;
  while (next <= kPoints) {
    const v1::StageReport report = monitor.MakeReport();
    ASSERT_GT(report.points_size(), 0);
    for (const v1::MetricPoint& point : report.points()) EXPECT_EQ(point.update(), next++);
    EXPECT_LT(report.ByteSizeLong(), 1 << 20);
    monitor.OnReportStored(report.sequence());
  }
}

TEST(StageMonitor, CountsLagsAndTellsTheMeanDriftOfTheLastUpdateAndTheLargest) {
  StageMonitor monitor{v1::StageStatus()};
  monitor.OnBackward({1, 0.5});
  monitor.OnStep(1e-3, 1, /*is_skipped=*/false);
  monitor.OnBackward({0, 0.125});
  monitor.OnBackward({1, 0.375});
  monitor.OnStep(1e-3, 1, /*is_skipped=*/false);
  monitor.OnBackward({1, 0.25});
  const v1::StageStatus status = monitor.Status();
  ASSERT_EQ(status.lag().counts_size(), 2);
  EXPECT_EQ(status.lag().counts(0), 1);
  EXPECT_EQ(status.lag().counts(1), 3);
  EXPECT_EQ(status.drift(), 0.25);
  EXPECT_EQ(status.drift_max(), 0.5);
  EXPECT_GT(status.resident_bytes(), 0);
}

TEST(StageMonitor, GivesTheDriftAnUpdateOfLagSinceItWasLastTaken) {
  StageMonitor monitor{v1::StageStatus()};
  EXPECT_EQ(monitor.TakeDriftPerLag(), std::nullopt);
  monitor.OnBackward({2, 0.5});
  monitor.OnStep(1e-3, 1, /*is_skipped=*/false);
  monitor.OnBackward({0, 0});
  monitor.OnBackward({1, 0.25});
  EXPECT_EQ(monitor.TakeDriftPerLag(), 0.25) << "over updates, whatever the lag was";
  monitor.OnBackward({0, 0});
  EXPECT_EQ(monitor.TakeDriftPerLag(), std::nullopt) << "nothing lagged, so nothing is known";
  monitor.OnBackward({1, 0.75});
  EXPECT_EQ(monitor.TakeDriftPerLag(), 0.75);
}

TEST(StageMonitor, ReportsWhatARunningStageDoesAndSinceWhen) {
  StageMonitor monitor{v1::StageStatus()};
  const auto begin = SpanRecorder::Clock::now() - std::chrono::seconds(14);
  monitor.spans()->Start({v1::SPAN_KIND_FORWARD, 11, 1}, begin);
  EXPECT_FALSE(monitor.Status().has_now()) << "it does not run";
  monitor.OnState(v1::STAGE_STATE_RUNNING);
  const v1::Occupation now = monitor.MakeReport().status().now();
  EXPECT_EQ(now.kind(), v1::SPAN_KIND_FORWARD);
  EXPECT_EQ(now.index(), 11);
  EXPECT_EQ(now.chunk(), 1);
  EXPECT_GE(now.seconds(), 14);
  monitor.spans()->Finish({v1::SPAN_KIND_FORWARD, 11, 1}, begin, begin);
  EXPECT_EQ(monitor.Status().now().kind(), v1::SPAN_KIND_UNSPECIFIED);
}

TEST(StageMonitor, CountsSkippedUpdatesInARowAndKeepsTheLastPoison) {
  StageMonitor monitor{v1::StageStatus()};
  monitor.OnStep(1e-3, 1, /*is_skipped=*/true, "update 0: one");
  monitor.OnStep(1e-3, 1, /*is_skipped=*/true, "update 1: two");
  EXPECT_EQ(monitor.Status().skipped_in_a_row(), 2);
  EXPECT_EQ(monitor.Status().poison(), "update 1: two");
  monitor.OnStep(1e-3, 1, /*is_skipped=*/false);
  EXPECT_EQ(monitor.Status().skipped_in_a_row(), 0);
  EXPECT_EQ(monitor.Status().skipped_updates(), 2);
  EXPECT_EQ(monitor.Status().poison(), "update 1: two");
}

}  // namespace
}  // namespace paci
