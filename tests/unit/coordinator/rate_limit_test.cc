#include "coordinator/job/rate_limit.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace paci {
namespace {

const absl::Time kStart = absl::UnixEpoch();

TEST(RateLimit, SomeAtOnceThenAsManyASecond) {
  RateLimit limit(3, 2);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(kStart), std::nullopt);
  EXPECT_EQ(limit.Take(kStart), absl::Milliseconds(500));
  EXPECT_EQ(limit.Take(kStart + absl::Milliseconds(400)), absl::Milliseconds(100));
  EXPECT_EQ(limit.Take(kStart + absl::Milliseconds(500)), std::nullopt);
  EXPECT_NE(limit.Take(kStart + absl::Milliseconds(500)), std::nullopt);
  // After a pause so many at once again, and no more.
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limit.Take(kStart + absl::Hours(1)), std::nullopt);
  EXPECT_NE(limit.Take(kStart + absl::Hours(1)), std::nullopt);
}

RC_GTEST_PROP(RateLimit, IsKeptAndWhoWaitsAsToldGetsThrough, ()) {
  const auto at_once = *rc::gen::inRange(1, 10);
  const auto per_second = *rc::gen::inRange(1, 100);
  RateLimit limit(at_once, per_second);
  absl::Time now = kStart;
  double taken = 0;
  for (int i = 0; i < 200; ++i) {
    now += absl::Milliseconds(*rc::gen::inRange(0, 50));
    if (const auto wait = limit.Take(now)) {
      RC_ASSERT(*wait > absl::ZeroDuration());
      now += *wait;
      RC_ASSERT(!limit.Take(now).has_value());
    }
    ++taken;
    RC_ASSERT(taken <= at_once + absl::ToDoubleSeconds(now - kStart) * per_second + 1e-6);
  }
}

}  // namespace
}  // namespace paci
