#include "common/partition/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int> Bounds(const std::vector<double>& costs, const std::vector<double>& speeds) {
  const auto partition = BalancedPartition(costs, speeds);
  EXPECT_TRUE(partition.ok()) << partition.status();
  return partition.ok() ? partition->bounds : std::vector<int>();
}

TEST(BalancedPartition, CutsEqualBlocksIntoEqualStages) {
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1, 1}, {1, 1, 1}), ElementsAre(0, 2, 4, 6));
}

TEST(BalancedPartition, OneStageHoldsEverything) {
  const auto partition = BalancedPartition({0.1, 2, 2, 1}, {1});
  ASSERT_TRUE(partition.ok()) << partition.status();
  EXPECT_THAT(partition->bounds, ElementsAre(0, 4));
  EXPECT_DOUBLE_EQ(partition->balance, 1.0);
  EXPECT_EQ(partition->reason,
            "stage 0 is the slowest with 1.00 of the mean: the embedding, blocks 1-2 and the head");
}

TEST(BalancedPartition, GivesEarlierStagesFewerUnitsWhereThatCostsNothing) {
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1}, {1, 1}), ElementsAre(0, 2, 5));
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1}), ElementsAre(0, 2, 4, 7, 10));
}

TEST(BalancedPartition, BalancesTheStagesThatAreNotTheSlowestToo) {
  // The last unit alone is the slowest stage, wherever the first cut is.
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1, 1, 10}, {1, 1, 1}), ElementsAre(0, 3, 6, 7));
}

TEST(BalancedPartition, GivesAFasterWorkerMore) {
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1, 1}, {2, 1}), ElementsAre(0, 4, 6));
  EXPECT_THAT(Bounds({1, 1, 1, 1, 1, 1}, {1, 2}), ElementsAre(0, 2, 6));
}

TEST(BalancedPartition, AsManyStagesAsUnitsIsOneUnitEach) {
  EXPECT_THAT(Bounds({0.1, 5, 1, 1}, {1, 1, 1, 1}), ElementsAre(0, 1, 2, 3, 4));
}

TEST(BalancedPartition, IsNotMisledByRounding) {
  // 0.1 ten times is not ten times 0.1; the two halves are the same all the same.
  EXPECT_THAT(Bounds(std::vector<double>(20, 0.1), {1, 1}), ElementsAre(0, 10, 20));
  EXPECT_THAT(Bounds(std::vector<double>(21, 0.1), {1, 1}), ElementsAre(0, 10, 21));
}

TEST(BalancedPartition, SaysWhichStageIsTheSlowestAndWhy) {
  const auto partition = BalancedPartition({1, 10, 10, 10, 10, 5}, {1, 1});
  ASSERT_TRUE(partition.ok()) << partition.status();
  EXPECT_THAT(partition->bounds, ElementsAre(0, 3, 6));
  EXPECT_DOUBLE_EQ(partition->balance, 23.0 / 25.0);
  EXPECT_EQ(partition->reason,
            "stage 1 is the slowest with 1.09 of the mean: blocks 3-4 and the head");
}

TEST(BalancedPartition, RefusesWhatIsNoPipeline) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(std::string(BalancedPartition({1, 1}, {1, 1, 1}).status().message()),
              HasSubstr("3 stages for 2 units"));
  EXPECT_FALSE(BalancedPartition({1, 1}, {}).ok());
  EXPECT_FALSE(BalancedPartition({}, {1}).ok());
  EXPECT_FALSE(BalancedPartition({0, 0}, {1}).ok());
  EXPECT_THAT(std::string(BalancedPartition({1, -1, 2}, {1}).status().message()),
              HasSubstr("unit 1 costs -1"));
  EXPECT_FALSE(BalancedPartition({1, nan}, {1}).ok());
  EXPECT_THAT(std::string(BalancedPartition({1, 1}, {1, 0}).status().message()),
              HasSubstr("stage 1 has the speed 0"));
  EXPECT_FALSE(BalancedPartition({1, 1}, {nan}).ok());
}

TEST(BalancedPartition, ManagesTheLargestPipeline) {
  const auto partition =
      BalancedPartition(std::vector<double>(1026, 1.0), std::vector<double>(342, 1.0));
  ASSERT_TRUE(partition.ok()) << partition.status();
  EXPECT_DOUBLE_EQ(partition->balance, 1.0);
}

TEST(ExplicitPartition, IsHonouredHoweverUneven) {
  const auto partition = ExplicitPartition({1, 4, 1}, {1, 10, 10, 10, 10, 5}, {1, 1, 1});
  ASSERT_TRUE(partition.ok()) << partition.status();
  EXPECT_THAT(partition->bounds, ElementsAre(0, 1, 5, 6));
  EXPECT_EQ(partition->reason, "stage 1 is the slowest with 2.61 of the mean: blocks 1-4");
}

TEST(ExplicitPartition, RefusesWhatIsNoPartition) {
  const std::vector<double> costs = {1, 1, 1, 1};
  EXPECT_TRUE(ExplicitPartition({1, 3}, costs, {1, 1}).ok());
  EXPECT_FALSE(ExplicitPartition({1, 2}, costs, {1, 1}).ok());
  EXPECT_FALSE(ExplicitPartition({1, 4}, costs, {1, 1}).ok());
  EXPECT_FALSE(ExplicitPartition({0, 4}, costs, {1, 1}).ok());
  EXPECT_FALSE(ExplicitPartition({-1, 5}, costs, {1, 1}).ok());
  EXPECT_FALSE(ExplicitPartition({2, 1, 1}, costs, {1, 1}).ok());
  const int most = std::numeric_limits<int>::max();
  EXPECT_FALSE(ExplicitPartition({most, most}, costs, {1, 1}).ok());
}

TEST(PartitionOf, FollowsTheJobFile) {
  v1::JobSpec spec;
  const std::vector<double> costs = {1, 1, 1, 1};
  EXPECT_THAT(PartitionOf(spec, costs, {1, 1})->bounds, ElementsAre(0, 2, 4));
  spec.mutable_pipeline()->add_partition(1);
  spec.mutable_pipeline()->add_partition(3);
  EXPECT_THAT(PartitionOf(spec, costs, {1, 1})->bounds, ElementsAre(0, 1, 4));
}

}  // namespace
}  // namespace paci
