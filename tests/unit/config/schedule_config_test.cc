#include "common/config/schedule_config.h"

#include <gtest/gtest.h>

#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

TEST(ScheduleConfig, IsTheShapeOfTheRun) {
  const ScheduleConfig config = ScheduleConfigOf(ValidSpec());
  EXPECT_EQ(config.stages, 4);
  EXPECT_EQ(config.accumulation, 8);
  EXPECT_EQ(config.order, Order::kDrainFirst);
  EXPECT_EQ(config.boundary, UpdateBoundary::kLocalAccumulation);
  EXPECT_EQ(config.milestones.updates, 500);
  EXPECT_EQ(config.milestones.eval_every, 50);
  EXPECT_EQ(config.milestones.eval_batches, 16);
  EXPECT_EQ(config.milestones.checkpoint_every, 0);
  EXPECT_TRUE(config.milestones.checkpoint_last);
}

TEST(ScheduleConfig, FollowsScheduleAndOrder) {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_pipeline()->set_schedule("1f1b");
  spec.mutable_pipeline()->set_order(v1::ORDER_STRICT);
  EXPECT_EQ(ScheduleConfigOf(spec).boundary, UpdateBoundary::kFlush);
  EXPECT_EQ(ScheduleConfigOf(spec).order, Order::kStrict);
}

TEST(ScheduleConfig, WithoutAFileThereIsNoValidation) {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_data()->clear_validation();
  EXPECT_EQ(ScheduleConfigOf(spec).milestones.EvaluationsDue(500), 0);
}

TEST(ScheduleConfig, WithoutAFolderThereIsNoCheckpoint) {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_checkpoint()->set_every(100);
  EXPECT_EQ(ScheduleConfigOf(spec).milestones.CheckpointsDue(500), 5);
  spec.mutable_checkpoint()->clear_dir();
  EXPECT_EQ(ScheduleConfigOf(spec).milestones.CheckpointsDue(500), 0);
}

TEST(ScheduleConfig, AnEmulatedRunHasNeither) {
  v1::JobSpec spec = ValidSpec();
  spec.mutable_emulation()->set_forward_seconds(0.01);
  EXPECT_EQ(ScheduleConfigOf(spec).milestones.EvaluationsDue(500), 0);
  EXPECT_EQ(ScheduleConfigOf(spec).milestones.CheckpointsDue(500), 0);
}

}  // namespace
}  // namespace paci
