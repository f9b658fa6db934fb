#include "coordinator/job/queue.h"

#include <gtest/gtest.h>

namespace paci {
namespace {

TEST(Queue, PlacesInTheOrderOfArrivalWhileWorkersLast) {
  const auto decisions =
      DecideQueue({{"a", "cpu", 2}, {"b", "cpu", 1}, {"c", "cpu", 1}}, {{"cpu", 3, 3}});
  EXPECT_TRUE(decisions[0].is_placed);
  EXPECT_TRUE(decisions[1].is_placed);
  EXPECT_FALSE(decisions[2].is_placed);
  EXPECT_EQ(decisions[2].reason, "needs 1 worker, 0 are free");
}

TEST(Queue, ASmallJobDoesNotOvertakeALargeOneThatCanBePlacedLater) {
  const auto decisions = DecideQueue({{"large", "cpu", 4}, {"small", "cpu", 1}}, {{"cpu", 3, 4}});
  EXPECT_FALSE(decisions[0].is_placed);
  EXPECT_EQ(decisions[0].reason, "needs 4 workers, 3 are free");
  EXPECT_FALSE(decisions[1].is_placed);
  EXPECT_EQ(decisions[1].reason, "waits behind job large");
}

TEST(Queue, AJobThatAsksForMoreWorkersThanThereAreMakesNobodyWait) {
  const auto decisions = DecideQueue({{"huge", "cpu", 5}, {"small", "cpu", 1}}, {{"cpu", 1, 4}});
  EXPECT_EQ(decisions[0].reason, "needs 5 workers, 1 is free and 4 connected");
  EXPECT_TRUE(decisions[1].is_placed);
}

TEST(Queue, DevicesHaveQueuesOfTheirOwn) {
  const auto decisions = DecideQueue({{"a", "cpu", 2}, {"b", "cuda", 1}, {"c", "tpu", 1}},
                                     {{"cpu", 1, 2}, {"cuda", 1, 1}});
  EXPECT_FALSE(decisions[0].is_placed);
  EXPECT_TRUE(decisions[1].is_placed);
  EXPECT_EQ(decisions[1].reason, "needs 1 cuda worker, 1 is free");
  EXPECT_EQ(decisions[2].reason, "needs 1 tpu worker, 0 are free and 0 connected");
}

}  // namespace
}  // namespace paci
