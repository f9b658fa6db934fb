#include "common/text/short_duration.h"

#include <gtest/gtest.h>

namespace paci {
namespace {

TEST(ShortDuration, HasAsManyDigitsAsAnybodyWantsToRead) {
  EXPECT_EQ(ShortDuration(absl::ZeroDuration()), "0");
  EXPECT_EQ(ShortDuration(absl::Nanoseconds(4'321'987)), "4.3ms");
  EXPECT_EQ(ShortDuration(absl::Nanoseconds(94'104'783)), "94ms");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(200)), "200ms");
  EXPECT_EQ(ShortDuration(absl::Nanoseconds(5'094'104'783)), "5.1s");
  EXPECT_EQ(ShortDuration(absl::Seconds(5)), "5s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(14'400)), "14s");
  EXPECT_EQ(ShortDuration(absl::Seconds(312.6)), "5m13s");
  EXPECT_EQ(ShortDuration(absl::Seconds(7384)), "2h3m");
  EXPECT_EQ(ShortDuration(absl::Hours(1)), "1h");
}

TEST(ShortDuration, RoundsOverTheLimitsOfItsSteps) {
  EXPECT_EQ(ShortDuration(absl::Microseconds(999'600)), "1s");
  EXPECT_EQ(ShortDuration(absl::Milliseconds(9'960)), "10s");
  EXPECT_EQ(ShortDuration(absl::Seconds(3599.7)), "1h");
}

TEST(ShortDuration, KnowsNoTimeAndAllOfIt) {
  EXPECT_EQ(ShortDuration(-absl::Seconds(5.04)), "-5s");
  EXPECT_EQ(ShortDuration(absl::InfiniteDuration()), "inf");
}

}  // namespace
}  // namespace paci
