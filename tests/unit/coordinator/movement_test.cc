#include "coordinator/job/movement.h"

#include <gtest/gtest.h>

namespace paci {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kTick = absl::Milliseconds(100);

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

// A pass every `gap` seconds until `end`.
void Move(MovementWatch& watch, double gap, double end, uint64_t generation = 1) {
  uint64_t passes = 0;
  for (double t = 0; t <= end; t += gap) {
    watch.Observe(At(t), generation, {++passes, 0});
  }
}

TEST(Movement, APipelineIsStalledAfterItsPatienceAndTenTimesItsLongestGap) {
  MovementWatch quick;
  Move(quick, 1, 10);
  EXPECT_FALSE(quick.IsStalled(At(30) - kTick, kPatience));
  EXPECT_TRUE(quick.IsStalled(At(30), kPatience));
  MovementWatch slow;
  Move(slow, 5, 10);
  EXPECT_FALSE(slow.IsStalled(At(60) - kTick, kPatience));
  EXPECT_TRUE(slow.IsStalled(At(60), kPatience));
}

TEST(Movement, WhatIsSpentOnValidationAndCheckpointsMovesToo) {
  MovementWatch watch;
  watch.Observe(At(0), 1, {5, 0.5});
  watch.Observe(At(19), 1, {5, 0.75});
  EXPECT_EQ(watch.StillFor(At(20)), absl::Seconds(1));
}

TEST(Movement, APauseIsNoSilenceAndNoGap) {
  MovementWatch watch;
  Move(watch, 1, 10);
  watch.Excuse();
  EXPECT_FALSE(watch.IsStalled(At(1000), kPatience));
  watch.Observe(At(1000), 1, {11, 0});
  EXPECT_FALSE(watch.IsStalled(At(1020) - kTick, kPatience));
  EXPECT_TRUE(watch.IsStalled(At(1020), kPatience));
}

TEST(Movement, TimeInWhichTheCoordinatorSleptDoesNotCount) {
  MovementWatch watch;
  Move(watch, 1, 10);
  watch.Skip(absl::Seconds(50));
  EXPECT_FALSE(watch.IsStalled(At(80) - kTick, kPatience));
  EXPECT_TRUE(watch.IsStalled(At(80), kPatience));
}

TEST(Movement, AGenerationHasItsOwnGaps) {
  MovementWatch watch;
  Move(watch, 10, 100, 1);
  watch.Observe(At(101), 2, {1, 0});
  EXPECT_TRUE(watch.IsStalled(At(121), kPatience));
}

TEST(Movement, ItMovesOnlyOnceItHasMovedSinceItWasToMove) {
  MovementWatch watch;
  EXPECT_FALSE(watch.IsMoving(At(0), absl::Seconds(1)));
  watch.Observe(At(0), 1, {5, 0});
  EXPECT_FALSE(watch.IsMoving(At(0), absl::Seconds(1)));
  watch.Observe(At(1), 1, {6, 0});
  EXPECT_TRUE(watch.IsMoving(At(1), absl::Seconds(1)));
  watch.Excuse();
  EXPECT_FALSE(watch.IsMoving(At(1), absl::Seconds(1)));
  watch.Observe(At(1), 1, {6, 0});
  EXPECT_FALSE(watch.IsMoving(At(1), absl::Seconds(1)));
}

TEST(Movement, ItMovesForTwiceItsLongestGapOrTheTimeOfReports) {
  MovementWatch watch;
  Move(watch, 3, 9);
  EXPECT_TRUE(watch.IsMoving(At(14), absl::Seconds(1)));
  EXPECT_FALSE(watch.IsMoving(At(16), absl::Seconds(1)));
  EXPECT_TRUE(watch.IsMoving(At(16), absl::Seconds(4)));
}

}  // namespace
}  // namespace paci
