#include "common/partition/unit_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/partition/partition.h"

namespace paci {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::JobSpec Spec(uint32_t layers, uint32_t stages) {
  v1::JobSpec spec;
  spec.mutable_model()->set_layers(layers);
  spec.mutable_model()->set_hidden(128);
  spec.mutable_model()->set_heads(4);
  spec.mutable_model()->set_context(64);
  spec.mutable_model()->set_vocabulary(256);
  spec.mutable_pipeline()->set_stages(stages);
  spec.mutable_pipeline()->set_micro_batch(2);
  return spec;
}

v1::LayerCosts Costs(double embedding, double block, double head) {
  v1::LayerCosts costs;
  costs.set_embedding_seconds(embedding);
  costs.set_block_seconds(block);
  costs.set_head_seconds(head);
  return costs;
}

TEST(FlopsCosts, CountsBlocksHeadAndAttention) {
  const UnitCosts costs = FlopsCosts(Spec(2, 3));
  ASSERT_EQ(costs.unit_costs.size(), 4u);
  const double tokens = 2 * 64;
  EXPECT_DOUBLE_EQ(costs.unit_costs[1], tokens * (72.0 * 128 * 128 + 12.0 * 64 * 128));
  EXPECT_EQ(costs.unit_costs[2], costs.unit_costs[1]);
  EXPECT_DOUBLE_EQ(costs.unit_costs[3], tokens * 6 * 128 * 256);
  EXPECT_THAT(costs.stage_speeds, ElementsAre(1, 1, 1));
}

TEST(FlopsCosts, TheEmbeddingIsCheapAndNotFree) {
  const UnitCosts costs = FlopsCosts(Spec(2, 2));
  EXPECT_GT(costs.unit_costs[0], 0);
  EXPECT_LT(costs.unit_costs[0], costs.unit_costs[1] / 100);
}

TEST(MeasuredCosts, AreTheMeanOverWorkersOfEqualSpeed) {
  const std::vector<v1::LayerCosts> measured = {Costs(0.1, 2, 1), Costs(0.1, 2, 1)};
  const auto costs = MeasuredCosts(Spec(3, 2), measured);
  ASSERT_TRUE(costs.ok()) << costs.status();
  EXPECT_THAT(costs->unit_costs, ElementsAre(DoubleEq(0.1), 2, 2, 2, 1));
  EXPECT_THAT(costs->stage_speeds, ElementsAre(1, 1));
}

TEST(MeasuredCosts, ASlowerWorkerGetsFewerUnits) {
  const std::vector<v1::LayerCosts> measured = {Costs(0.2, 4, 2), Costs(0.1, 2, 1)};
  const auto costs = MeasuredCosts(Spec(9, 2), measured);
  ASSERT_TRUE(costs.ok()) << costs.status();
  EXPECT_DOUBLE_EQ(costs->stage_speeds[1] / costs->stage_speeds[0], 2);
  const auto partition = BalancedPartition(costs->unit_costs, costs->stage_speeds);
  ASSERT_TRUE(partition.ok()) << partition.status();
  EXPECT_THAT(partition->bounds, ElementsAre(0, 4, 11));
}

TEST(MeasuredCosts, RefusesATimeThatIsNone) {
  const std::vector<v1::LayerCosts> zero = {Costs(0.1, 2, 1), Costs(0.1, 0, 1)};
  EXPECT_THAT(std::string(MeasuredCosts(Spec(3, 2), zero).status().message()),
              HasSubstr("the worker of stage 1 measured 0 seconds for a block"));
  const std::vector<v1::LayerCosts> infinite = {
      Costs(std::numeric_limits<double>::infinity(), 2, 1), Costs(0.1, 2, 1)};
  EXPECT_FALSE(MeasuredCosts(Spec(3, 2), infinite).ok());
}

TEST(MeasuredCosts, NeedsAMeasurementAStage) {
  const std::vector<v1::LayerCosts> one = {Costs(0.1, 2, 1)};
  EXPECT_THAT(std::string(MeasuredCosts(Spec(3, 2), one).status().message()),
              HasSubstr("1 measurements; expected one for each of 2 stages"));
}

}  // namespace
}  // namespace paci
