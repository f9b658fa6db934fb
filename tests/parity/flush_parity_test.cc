// A flush schedule computes bit for bit what one stage computes, wherever the layers are cut.
#include <gtest/gtest.h>

#include "common/schedule/presets.h"
#include "tests/parity/small_job.h"

namespace paci {
namespace {

const std::vector<std::vector<uint32_t>>& Partitions() {
  static const auto* const partitions = new std::vector<std::vector<uint32_t>>{
      {2, 3}, {4, 1}, {1, 2, 2}, {2, 2, 1}, {1, 1, 1, 2}, {2, 1, 1, 1}};
  return *partitions;
}

void ExpectSame(const RunResult& run, const RunResult& reference) {
  EXPECT_EQ(run.losses, reference.losses);
  EXPECT_EQ(run.validation_losses, reference.validation_losses);
  EXPECT_EQ(run.checksums, reference.checksums);
}

TEST(FlushParity, EveryPartitionGivesTheBitsOfOneStage) {
  SmallData data;
  const v1::JobSpec spec = SmallJob(data, "1f1b", 3);
  const RunResult one_stage = Train(spec, {5});
  ASSERT_EQ(one_stage.losses.size(), 24u);
  ASSERT_EQ(one_stage.checksums.size(), 10u);
  EXPECT_LT(one_stage.losses.back(), one_stage.losses.front() - 1);
  for (const auto& partition : Partitions()) {
    SCOPED_TRACE(testing::PrintToString(partition));
    ExpectSame(Train(spec, partition), one_stage);
  }
}

// Other orders, and backwards in two halves, sum the same gradients in the same order.
TEST(FlushParity, EveryFlushScheduleGivesTheBitsOfOneStage) {
  SmallData data;
  const RunResult one_stage = Train(SmallJob(data, "1f1b", 6), {5});
  int schedules = 0;
  for (const Preset& preset : Presets()) {
    if (preset.boundary != UpdateBoundary::kFlush) continue;
    SCOPED_TRACE(std::string(preset.name));
    ++schedules;
    v1::JobSpec spec = SmallJob(data, std::string(preset.name), 6);
    if (preset.order == Order::kInterleaved) {
      spec.mutable_pipeline()->set_chunks(2);
      ExpectSame(Train(spec, {2, 1, 1, 1}, /*delay_seed=*/1), one_stage);
      continue;
    }
    ExpectSame(Train(spec, {5}), one_stage);
    ExpectSame(Train(spec, {2, 1, 1, 1}, /*delay_seed=*/1), one_stage);
  }
  EXPECT_GE(schedules, 5);
}

TEST(FlushParity, HoldsForEveryOptimizer) {
  SmallData data;
  for (const char* name : {"muon", "soap", "lion"}) {
    SCOPED_TRACE(name);
    v1::JobSpec spec = SmallJob(data, "1f1b", 3);
    spec.mutable_optimizer()->set_name(name);
    spec.mutable_optimizer()->set_lr(2e-3);
    spec.mutable_optimizer()->set_lag_correction(v1::LAG_CORRECTION_EXTRAPOLATE);
    const RunResult one_stage = Train(spec, {5});
    EXPECT_LT(one_stage.losses.back(), one_stage.losses.front() - 0.5);
    ExpectSame(Train(spec, {2, 1, 1, 1}), one_stage);
  }
}

TEST(FlushParity, HoldsForPaciOfWhichEveryUpdateIsFlushed) {
  SmallData data;
  const RunResult one_stage = Train(SmallJob(data, "1f1b", 3), {5});
  v1::JobSpec spec = SmallJob(data, "paci", 3);
  spec.mutable_pipeline()->set_flush_first(15);
  spec.mutable_pipeline()->set_flush_last(9);
  ExpectSame(Train(spec, {2, 1, 1, 1}), one_stage);
  spec.mutable_pipeline()->set_flush_last(8);
  EXPECT_NE(Train(spec, {2, 1, 1, 1}).losses, one_stage.losses);
}

// Two and three chunks on two stages, with recomputation and dropout, whose masks are of a unit of
// the model and not of its place in a stage.
TEST(FlushParity, ChunksGiveTheBitsOfOneStage) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 4);
  spec.mutable_model()->set_layers(4);
  spec.mutable_model()->set_dropout(0.2);
  const RunResult one_stage = Train(spec, {6});
  spec.mutable_pipeline()->set_schedule("interleaved");
  for (const v1::Recompute mode : {v1::RECOMPUTE_NONE, v1::RECOMPUTE_SELECTIVE}) {
    spec.mutable_pipeline()->set_recompute(mode);
    spec.mutable_pipeline()->set_chunks(2);
    ExpectSame(Train(spec, {1, 2, 2, 1}), one_stage);
    spec.mutable_pipeline()->set_chunks(3);
    ExpectSame(Train(spec, {1, 1, 1, 1, 1, 1}), one_stage);
  }
}

TEST(FlushParity, HoldsForALlamaWithEveryOptimizer) {
  SmallData data;
  for (const char* name : {"adamw", "muon"}) {
    v1::JobSpec spec = SmallJob(data, "1f1b", 4);
    MakeLlama(spec);
    spec.mutable_model()->set_dropout(0.1);
    spec.mutable_optimizer()->set_name(name);
    spec.mutable_optimizer()->set_lr(4e-3);
    const RunResult one_stage = Train(spec, {5});
    EXPECT_LT(one_stage.losses.back(), one_stage.losses.front() - 0.5);
    ExpectSame(Train(spec, {2, 1, 1, 1}), one_stage);
    spec.mutable_pipeline()->set_schedule("zb-h1");
    ExpectSame(Train(spec, {1, 2, 2}), one_stage);
    spec.mutable_pipeline()->set_schedule("1f1b");
    spec.mutable_pipeline()->set_recompute(v1::RECOMPUTE_FULL);
    ExpectSame(Train(spec, {1, 2, 2}), one_stage);
  }
}

TEST(FlushParity, RecomputationChangesNoBit) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 3);
  spec.mutable_model()->set_dropout(0.2);
  const RunResult one_stage = Train(spec, {5});
  for (const v1::Recompute mode : {v1::RECOMPUTE_SELECTIVE, v1::RECOMPUTE_FULL}) {
    SCOPED_TRACE(v1::Recompute_Name(mode));
    spec.mutable_pipeline()->set_recompute(mode);
    ExpectSame(Train(spec, {5}), one_stage);
    ExpectSame(Train(spec, {2, 1, 2}), one_stage);
  }
}

TEST(FlushParity, HoldsInTheOrderThatAnswersArrivalsWhateverTheNetworkDoes) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 4);
  spec.mutable_pipeline()->set_order(v1::ORDER_DRAIN_FIRST);
  const RunResult one_stage = Train(spec, {5});
  for (uint64_t seed = 0; seed < 3; ++seed) {
    SCOPED_TRACE(seed);
    ExpectSame(Train(spec, {1, 1, 1, 2}, seed), one_stage);
  }
}

TEST(FlushParity, HoldsWithDropout) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 2);
  const RunResult without = Train(spec, {5});
  spec.mutable_model()->set_dropout(0.2);
  const RunResult one_stage = Train(spec, {5});
  EXPECT_NE(one_stage.losses, without.losses);
  ExpectSame(Train(spec, {2, 1, 1, 1}), one_stage);
}

TEST(FlushParity, BitsDependOnTheSeed) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 2);
  const RunResult seven = Train(spec, {5});
  spec.mutable_train()->set_seed(8);
  EXPECT_NE(Train(spec, {5}).losses, seven.losses);
}

}  // namespace
}  // namespace paci
