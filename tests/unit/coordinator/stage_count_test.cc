#include "coordinator/job/stage_count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/job_rules.h"
#include "common/config/schedule_config.h"
#include "common/config/spec_over.h"
#include "common/schedule/presets.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

v1::JobSpec Interleaved() {
  v1::JobSpec spec = SmallSpec("a", 4, 10);
  spec.mutable_model()->set_layers(10);
  spec.mutable_pipeline()->set_schedule("interleaved");
  spec.mutable_pipeline()->set_chunks(2);
  spec.mutable_pipeline()->set_accumulation(12);
  return spec;
}

TEST(StageCount, AnotherNumberDropsTheExplicitPartitionAndItsOwnKeepsIt) {
  v1::JobSpec spec = SmallSpec("a", 2, 10);
  for (const uint32_t units : {4, 2}) spec.mutable_pipeline()->add_partition(units);
  EXPECT_THAT(SpecOver(spec, 2).pipeline().partition(), ElementsAre(4, 2));
  const v1::JobSpec other = SpecOver(spec, 3);
  EXPECT_EQ(other.pipeline().stages(), 3);
  EXPECT_TRUE(other.pipeline().partition().empty());
  EXPECT_EQ(ScheduleConfigOf(other).stages, 3);
  EXPECT_EQ(ProblemOfStages(spec, 3), "");
}

TEST(StageCount, ANumberThatBreaksARuleIsNamedAndTheNextSmallerOneTaken) {
  const v1::JobSpec spec = Interleaved();
  EXPECT_THAT(ProblemOfStages(spec, 5),
              HasSubstr("pipeline.accumulation: 12 is no multiple of pipeline.stages 5"));
  EXPECT_THAT(ProblemOfStages(spec, 7), HasSubstr("7 stages of 2 chunks are more than the 12"));
  EXPECT_THAT(ProblemOfStages(spec, 1), HasSubstr("1 stage has nobody to interleave with"));
  EXPECT_EQ(LargestCount(spec, 1000), 6);
  EXPECT_EQ(LargestCount(spec, 5), 4);
  EXPECT_EQ(LargestCount(spec, 1), 0);
  EXPECT_EQ(LargestCount(SmallSpec("a", 2, 10), 1000), 6) << "its units";
}

TEST(StageCount, EveryNumberThatIsAllowedMakesAValidSpecOfEverySchedule) {
  for (const Preset& preset : Presets()) {
    v1::JobSpec spec = Interleaved();
    spec.mutable_pipeline()->set_schedule(std::string(preset.name));
    if (preset.only_without_accumulation) spec.mutable_pipeline()->set_accumulation(1);
    if (preset.order != Order::kInterleaved) spec.mutable_pipeline()->set_chunks(1);
    for (const uint32_t units : {3, 3, 3, 3}) spec.mutable_pipeline()->add_partition(units);
    if (preset.order == Order::kInterleaved) spec.mutable_pipeline()->clear_partition();
    ASSERT_TRUE(ValidateSpec(spec).ok()) << preset.name << ": " << ValidateSpec(spec);
    for (uint32_t stages = 1; stages <= 14; ++stages) {
      EXPECT_EQ(ProblemOfStages(spec, stages).empty(), ValidateSpec(SpecOver(spec, stages)).ok())
          << preset.name << " over " << stages;
    }
  }
}

TEST(StageCount, WhatIsWantedIsTheLastWishAndWhatIsAllowedNoMoreThanWouldDo) {
  v1::Job job;
  *job.mutable_spec() = SmallSpec("a", 4, 10);
  EXPECT_EQ(WantedStages(job), 4);
  job.set_wanted_stages(6);
  EXPECT_EQ(WantedStages(job), 6);
  EXPECT_EQ(FewestStages(job.spec(), 4), 4) << "it never shrinks";
  job.mutable_spec()->mutable_recovery()->set_min_stages(3);
  EXPECT_EQ(FewestStages(job.spec(), 4), 3);
  EXPECT_EQ(FewestStages(job.spec(), 2), 2);
}

TEST(StageCount, OnlyPeriodicCheckpointsAreOnTheWay) {
  v1::JobSpec spec = SmallSpec("a", 4, 10);
  EXPECT_FALSE(HasCheckpointsOnTheWay(spec));
  spec.mutable_checkpoint()->set_dir("ck");
  EXPECT_FALSE(HasCheckpointsOnTheWay(spec));
  spec.mutable_checkpoint()->set_every(5);
  EXPECT_TRUE(HasCheckpointsOnTheWay(spec));
  spec.mutable_emulation()->set_forward_seconds(1);
  EXPECT_FALSE(HasCheckpointsOnTheWay(spec));
}

}  // namespace
}  // namespace paci
