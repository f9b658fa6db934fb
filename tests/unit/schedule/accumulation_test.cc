#include "common/schedule/accumulation.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace paci {
namespace {

TEST(Accumulation, OfWhichTheLagIsSaid) {
  ScheduleConfig config;
  config.stages = 8;
  const auto reason = [&](int64_t accumulation) {
    config.accumulation = accumulation;
    return AccumulationReason(config);
  };
  EXPECT_EQ(reason(4), "lag at most 2, 1 from accumulation 7 on");
  EXPECT_EQ(reason(7), "lag at most 1, with no less it would be more");
  EXPECT_EQ(reason(8), "lag at most 1, as from accumulation 7 on");
  config.extra_in_flight = 2;
  EXPECT_EQ(reason(8), "lag at most 2, 1 from accumulation 9 on");
  config.boundary = UpdateBoundary::kFlush;
  EXPECT_EQ(reason(8), "no lag: it flushes");
}

// The least for which it is true, by trying.
RC_GTEST_PROP(Accumulation, IsTheLeastWithALagOfAtMostOne, ()) {
  ScheduleConfig config;
  config.stages = *rc::gen::inRange<int64_t>(2, 40);
  config.extra_in_flight = *rc::gen::inRange<int64_t>(0, 5);
  const auto lag = [&](int64_t accumulation) {
    config.accumulation = accumulation;
    int64_t most = 0;
    for (int64_t i = 0; i < config.stages; ++i) {
      most = std::max(most, MakeSchedule(config, i)->LagBound());
    }
    return most;
  };
  int64_t least = 1;
  while (lag(least) > 1) ++least;
  RC_ASSERT(LeastAccumulation(config) == least);
}

}  // namespace
}  // namespace paci
