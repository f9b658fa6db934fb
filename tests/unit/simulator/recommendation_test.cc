#include "common/simulator/recommendation.h"

#include <gtest/gtest.h>

namespace paci {
namespace {

TEST(Recommendation, IsTheFastestAndNamesTheNext) {
  const Recommendation chosen = Recommend({{"slow", 60, 0, 10}, {"fast", 100, 1, 20}});
  EXPECT_EQ(chosen.choice, 1u);
  EXPECT_EQ(chosen.reason, "fast is 67% faster than slow");
}

TEST(Recommendation, PrefersLessLagAmongThoseAsFast) {
  const Recommendation chosen =
      Recommend({{"fastest", 100, 1.5, 10}, {"calm", 98.5, 0.5, 30}, {"slow", 97.5, 0, 1}});
  EXPECT_EQ(chosen.choice, 1u);
  EXPECT_EQ(chosen.reason,
            "calm is within 2% of fastest and has less lag, 0.50 instead of 1.50 on average");
}

TEST(Recommendation, PrefersLessMemoryAmongThoseWithTheSameLag) {
  const Recommendation chosen = Recommend({{"large", 100, 1, 40}, {"small", 99, 1, 30}});
  EXPECT_EQ(chosen.choice, 1u);
  EXPECT_EQ(chosen.reason,
            "small is within 2% of large, has no more lag and needs 25% less memory");
}

TEST(Recommendation, TakesTheFirstOfEquals) {
  const Recommendation chosen = Recommend({{"one", 100, 1, 40}, {"two", 100, 1, 40}});
  EXPECT_EQ(chosen.choice, 0u);
  EXPECT_EQ(chosen.reason, "one is at least as good as two in speed, lag and memory");
}

TEST(Recommendation, LeavesOutWhatDoesNotFit) {
  const Candidate large{"large", 200, 0, 90, false};
  const Recommendation chosen = Recommend({large, {"small", 100, 1, 40}});
  EXPECT_EQ(chosen.choice, 1u);
  EXPECT_EQ(chosen.reason, "small is the only choice that fits");
  EXPECT_EQ(Recommend({{"one", 100, 1, 40}}).reason, "one is the only choice");
  EXPECT_EQ(Recommend({large}).choice, std::nullopt);
  EXPECT_EQ(Recommend({large}).reason, "no choice fits into the device's memory");
}

}  // namespace
}  // namespace paci
