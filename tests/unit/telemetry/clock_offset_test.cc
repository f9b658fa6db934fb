#include "common/telemetry/clock_offset.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

namespace paci {
namespace {

absl::Time At(int64_t micros) { return absl::FromUnixMicros(micros); }

TEST(ClockOffset, IsTheMiddleOfWhatTheExchangeAllowsWithHalfTheRoundTripAsError) {
  // The other is 1000 ahead; 30 on the way there, 10 on the way back, 5 in between.
  const auto offset = OffsetOf({At(0), At(1030), At(1035), At(45)});
  ASSERT_TRUE(offset.has_value());
  EXPECT_EQ(offset->offset, absl::Microseconds(-1010));
  EXPECT_EQ(offset->error, absl::Microseconds(20));
}

TEST(ClockOffset, OfSeveralExchangesTheShortestRoundTripCounts) {
  const auto offset = BestOffset({{At(0), At(1100), At(1100), At(200)},
                                  {At(300), At(1302), At(1302), At(304)},
                                  {At(400), At(1440), At(1440), At(500)}});
  ASSERT_TRUE(offset.has_value());
  EXPECT_EQ(offset->offset, absl::Microseconds(-1000));
  EXPECT_EQ(offset->error, absl::Microseconds(2));
}

TEST(ClockOffset, AnExchangeThatNoOffsetExplainsCountsForNothing) {
  const ClockExchange early{At(0), At(1000), At(1050), At(40)};  // back before it could be
  const ClockExchange backwards{At(0), At(1000), At(990), At(40)};
  EXPECT_FALSE(OffsetOf(early).has_value());
  EXPECT_FALSE(OffsetOf(backwards).has_value());
  EXPECT_FALSE(BestOffset({early, backwards}).has_value());
  EXPECT_FALSE(BestOffset({}).has_value());
}

TEST(ClockOffset, BetweenTwoMomentsIsAllThatIsPossibleAtEither) {
  const ClockOffset between = Between({absl::Microseconds(100), absl::Microseconds(10)},
                                      {absl::Microseconds(130), absl::Microseconds(2)});
  EXPECT_EQ(between.offset, absl::Microseconds(111));
  EXPECT_EQ(between.error, absl::Microseconds(21));
}

// A process whose clock is off and drifts, far away by roads of any length.
struct Other {
  absl::Duration ahead;  // at time 0
  double drift;
  std::mt19937_64 random;

  absl::Time ClockAt(absl::Time now) const {
    return now + ahead + drift * (now - absl::UnixEpoch());
  }
  absl::Duration Road() { return absl::Microseconds(static_cast<double>(random() % 5000)); }
  ClockOffset Ask(absl::Time& now) {
    std::vector<ClockExchange> exchanges;
    for (int i = 0; i < 4; ++i) {
      ClockExchange exchange;
      exchange.sent = now;
      now += Road();
      exchange.received = ClockAt(now);
      now += Road();
      exchange.answered = ClockAt(now);
      now += Road();
      exchange.returned = now;
      exchanges.push_back(exchange);
    }
    return BestOffset(exchanges).value();
  }
};

RC_GTEST_PROP(ClockOffset, AfterCorrectionNothingArrivesBeforeItWasSentByMoreThanTheErrors, ()) {
  const auto make = [] {
    return Other{absl::Milliseconds(*rc::gen::inRange(-1'000'000, 1'000'000)),
                 *rc::gen::inRange(-200, 200) * 1e-6, std::mt19937_64(*rc::gen::arbitrary<int>())};
  };
  Other sender = make();
  Other receiver = make();
  absl::Time now = absl::FromUnixSeconds(1000);
  const ClockOffset sender_before = sender.Ask(now);
  const ClockOffset receiver_before = receiver.Ask(now);
  const absl::Time begin = now;
  now += absl::Milliseconds(*rc::gen::inRange(1, 60'000));
  const absl::Time end = now;
  const ClockOffset of_sender = Between(sender_before, sender.Ask(now));
  const ClockOffset of_receiver = Between(receiver_before, receiver.Ask(now));

  const absl::Time sent = begin + (end - begin) * (*rc::gen::inRange(0, 1000) / 1000.0);
  const absl::Time arrived = sent + receiver.Road();
  const absl::Time shown_sent = sender.ClockAt(sent) + of_sender.offset;
  const absl::Time shown_arrived = receiver.ClockAt(arrived) + of_receiver.offset;
  // The drift during one exchange is no part of the arithmetic: 200 ppm of 15 ms.
  const absl::Duration slack = absl::Microseconds(10);
  RC_ASSERT(shown_arrived >= shown_sent - of_sender.error - of_receiver.error - slack);
  RC_ASSERT(absl::AbsDuration(shown_sent - sent) <= of_sender.error + slack);
}

}  // namespace
}  // namespace paci
