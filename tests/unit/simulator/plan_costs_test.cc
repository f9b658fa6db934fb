#include "common/simulator/plan_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/test_folder.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using ::testing::ElementsAre;

v1::ModelSpec TwoBlocks() {
  v1::ModelSpec model;
  model.set_layers(2);
  return model;
}

std::string ErrorOf(const std::string& json) {
  return std::string(SecondsFromJson(json, "costs.json", TwoBlocks()).status().message());
}

TEST(PlanCosts, ReadsMeasurements) {
  const auto units = SecondsFromJson(
      R"({"forward_seconds": [0, 1, 2, 3], "backward_seconds": [0, 2, 4, 7]})", "", TwoBlocks());
  ASSERT_TRUE(units.ok()) << units.status();
  EXPECT_THAT(units->forward_seconds, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(units->backward_seconds, ElementsAre(0, 2, 4, 7));
  EXPECT_THAT(units->weights_seconds, ElementsAre(0, 1, 2, 3.5));
  EXPECT_THAT(units->update_seconds, ElementsAre(0, 0, 0, 0));
  EXPECT_THAT(units->MicroBatchSeconds(), ElementsAre(0, 3, 6, 10));
}

TEST(PlanCosts, SumsTheUnitsOfAStage) {
  const auto units = SecondsFromJson(
      R"({"forward_seconds": [1, 1, 2, 3], "backward_seconds": [1, 2, 4, 7],
          "weights_seconds": [0, 1, 1, 2], "update_seconds": [0.5, 0, 0, 0.25]})",
      "", TwoBlocks());
  ASSERT_TRUE(units.ok()) << units.status();
  const auto stages = StagesOf(*units, {.bounds = {0, 2, 4}});
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].forward_seconds, 2);
  EXPECT_EQ(stages[0].backward_input_seconds, 2);
  EXPECT_EQ(stages[0].backward_weight_seconds, 1);
  EXPECT_EQ(stages[0].update_seconds, 0.5);
  EXPECT_EQ(stages[1].forward_seconds, 5);
  EXPECT_EQ(stages[1].backward_input_seconds, 8);
  EXPECT_EQ(stages[1].backward_weight_seconds, 3);
}

TEST(PlanCosts, NamesTheFileAndTheKeyThatIsWrong) {
  EXPECT_EQ(ErrorOf("[1"),
            "costs.json: no JSON object; expected {\"forward_seconds\": [...], ...}");
  EXPECT_EQ(ErrorOf("{}"), "costs.json: forward_seconds: is missing");
  EXPECT_EQ(ErrorOf(R"({"forward": []})"),
            "costs.json: forward: unknown key; there are forward_seconds, backward_seconds, "
            "weights_seconds, update_seconds");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [1, 1, 1], "backward_seconds": [1, 1, 1, 1]})"),
            "costs.json: forward_seconds: is a list of 3; expected a list of 4 numbers: the "
            "embedding, 2 blocks and the head");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [1, 1, 1, 1], "backward_seconds": "1"})"),
            "costs.json: backward_seconds: is string; expected a list of 4 numbers: the embedding, "
            "2 blocks and the head");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [1, -1, 1, 1], "backward_seconds": [1, 1, 1, 1]})"),
            "costs.json: forward_seconds: entry 1 is -1; expected a number of seconds >= 0");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [1, 1, null, 1], "backward_seconds": [1, 1, 1, 1]})"),
            "costs.json: forward_seconds: entry 2 is null; expected a number of seconds >= 0");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [1, 1, 1, 1], "backward_seconds": [1, 1, 1, 1],
                        "weights_seconds": [1, 1, 2, 1]})"),
            "costs.json: weights_seconds: entry 2 is 2, more than the backward of 1 that it is a "
            "part of");
  EXPECT_EQ(ErrorOf(R"({"forward_seconds": [0, 0, 0, 0], "backward_seconds": [0, 0, 0, 0]})"),
            "costs.json: forward_seconds: and backward_seconds are all 0; expected a time above 0");
}

TEST(PlanCosts, AFileThatIsNotThereIsNamed) {
  const TestFolder folder;
  const std::string path = folder.path() + "/none.json";
  EXPECT_EQ(SecondsFromFile(path, TwoBlocks()).status(),
            absl::InvalidArgumentError(path + ": cannot be read: No such file or directory"));
  EXPECT_FALSE(SecondsFromFile(folder.path(), TwoBlocks()).ok());
}

TEST(PlanCosts, FlopsTakeTwoForwardsForABackwardAndOneToRecompute) {
  v1::JobSpec spec = ValidSpec();
  UnitSeconds units = SecondsByFlops(spec, 1e9);
  const double tokens = spec.pipeline().micro_batch() * spec.model().context();
  const double hidden = spec.model().hidden();
  const double products = 12 * hidden * hidden + 2 * spec.model().context() * hidden;
  EXPECT_NEAR(units.forward_seconds[1], tokens * 2 * products / 1e9, 1e-9);
  EXPECT_NEAR(units.backward_seconds[1], 2 * units.forward_seconds[1], 1e-12);
  EXPECT_NEAR(units.weights_seconds[1], units.forward_seconds[1], 1e-12);
  spec.mutable_pipeline()->set_recompute(v1::RECOMPUTE_FULL);
  units = SecondsByFlops(spec, 1e9);
  EXPECT_NEAR(units.backward_seconds[1], 3 * units.forward_seconds[1], 1e-12);
}

TEST(PlanCosts, EmulatedWorkIsSharedByTheStages) {
  v1::JobSpec spec;
  spec.mutable_pipeline()->set_stages(8);
  spec.mutable_emulation()->set_forward_seconds(1);
  spec.mutable_emulation()->set_backward_seconds(2);
  spec.mutable_emulation()->set_weights_seconds(0.5);
  spec.mutable_emulation()->set_update_seconds(0.25);
  const auto stages = EmulatedParts(spec, 4);
  ASSERT_EQ(stages.size(), 4u);
  EXPECT_EQ(stages[3].forward_seconds, 2);
  EXPECT_EQ(stages[3].backward_input_seconds, 3);
  EXPECT_EQ(stages[3].backward_weight_seconds, 1);
  EXPECT_EQ(stages[3].update_seconds, 0.5);
}

}  // namespace
}  // namespace paci
