#include "common/simulator/measured_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "common/simulator/planner.h"
#include "tests/unit/config/valid_spec.h"

namespace paci {
namespace {

using ::testing::HasSubstr;

// A job of `stages`, each with its share of six blocks, that has done 20 updates of 8
// micro-batches.
v1::Job JobThatRan(const std::string& schedule = "paci", uint32_t stages = 3) {
  v1::Job job;
  job.set_id("tiny-1");
  *job.mutable_spec() = ValidSpec();
  job.mutable_spec()->mutable_model()->set_layers(6);
  v1::PipelineSpec* pipeline = job.mutable_spec()->mutable_pipeline();
  pipeline->set_stages(stages);
  pipeline->set_schedule(schedule);
  pipeline->set_accumulation(8);
  pipeline->clear_partition();
  job.mutable_spec()->mutable_train()->set_updates(100);
  for (uint32_t i = 0; i < stages; ++i) {
    v1::StageStatus& stage = *job.add_stages();
    stage.set_index(i);
    stage.add_chunks()->set_first_unit(8 * i / stages);
    stage.mutable_chunks(0)->set_end_unit(8 * (i + 1) / stages);
    stage.set_forwards(161);
    stage.set_backwards(160);
    stage.set_updates(20);
  }
  return job;
}

void Spend(v1::StageStatus& stage, double forward, double backward, double weights, double update) {
  stage.mutable_activity()->set_forward(forward * static_cast<double>(stage.forwards()));
  stage.mutable_activity()->set_backward((backward - weights) *
                                         static_cast<double>(stage.backwards()));
  stage.mutable_activity()->set_weights(weights * static_cast<double>(stage.backwards()));
  stage.mutable_activity()->set_update(update * static_cast<double>(stage.updates()));
}

Partition PartitionAsRun(const v1::Job& job) {
  Partition partition;
  partition.bounds = {0};
  for (const v1::StageStatus& stage : job.stages()) {
    partition.bounds.push_back(static_cast<int>(stage.chunks(0).end_unit()));
  }
  return partition;
}

RC_GTEST_PROP(MeasuredCosts, TheUnitsOfAStageAddUpToWhatItMeasured, ()) {
  v1::Job job = JobThatRan("zb-h1", *rc::gen::inRange(1, 9));
  struct Cost {
    double forward, backward, weights, update;
  };
  std::vector<Cost> costs;
  const auto any = [] { return *rc::gen::inRange(1, 1'000'000) * 1e-6; };
  for (v1::StageStatus& stage : *job.mutable_stages()) {
    const double weights = any();
    costs.push_back({any(), weights + any(), weights, any()});
    Spend(stage, costs.back().forward, costs.back().backward, weights, costs.back().update);
  }
  const auto units = SecondsMeasuredBy(job);
  RC_ASSERT(units.ok());
  const std::vector<StageCosts> stages = StagesOf(*units, PartitionAsRun(job));
  const auto is_near = [](double a, double b) { return std::abs(a - b) <= 1e-9 * b; };
  for (size_t i = 0; i < stages.size(); ++i) {
    RC_ASSERT(is_near(stages[i].forward_seconds, costs[i].forward));
    RC_ASSERT(is_near(stages[i].backward_weight_seconds, costs[i].weights));
    RC_ASSERT(is_near(stages[i].backward_input_seconds + stages[i].backward_weight_seconds,
                      costs[i].backward));
    RC_ASSERT(is_near(stages[i].update_seconds, costs[i].update));
  }
}

// After a restart the counts go on from the checkpoint, and the seconds begin anew.
TEST(MeasuredCosts, AreOfWhatWasDoneSinceTheLoopStarted) {
  v1::Job job = JobThatRan();
  for (v1::StageStatus& stage : *job.mutable_stages()) Spend(stage, 1, 2, 0, 0.5);
  const UnitSeconds before = SecondsMeasuredBy(job).value();
  for (v1::StageStatus& stage : *job.mutable_stages()) {
    stage.set_first_update(40);
    stage.set_updates(stage.updates() + 40);
    stage.set_forwards(stage.forwards() + 40 * 8);
    stage.set_backwards(stage.backwards() + 40 * 8);
  }
  const UnitSeconds after = SecondsMeasuredBy(job).value();
  EXPECT_EQ(after.forward_seconds, before.forward_seconds);
  EXPECT_EQ(after.backward_seconds, before.backward_seconds);
  EXPECT_EQ(after.update_seconds, before.update_seconds);
}

TEST(MeasuredCosts, AreSharedByArithmeticAndUpdatesByParameters) {
  v1::Job job = JobThatRan("paci", 1);
  job.mutable_spec()->mutable_model()->set_hidden(64);
  job.mutable_spec()->mutable_model()->set_ffn_hidden(256);
  job.mutable_spec()->mutable_model()->set_context(32);
  job.mutable_spec()->mutable_model()->set_vocabulary(256);
  Spend(*job.mutable_stages(0), 1, 2, 0, 1);
  const auto units = SecondsMeasuredBy(job);
  ASSERT_TRUE(units.ok()) << units.status();
  // Per token: 12 h^2 + 2 c h of a block, h v of the head.
  const double block = 12.0 * 64 * 64 + 2 * 32 * 64;
  EXPECT_NEAR(units->forward_seconds[7] / units->forward_seconds[1], 64 * 256 / block, 1e-9);
  // h (v + c) of the embedding, 12 h^2 + 13 h of a block.
  EXPECT_NEAR(units->update_seconds[0] / units->update_seconds[1],
              64.0 * (256 + 32) / (12 * 64 * 64 + 13 * 64), 1e-9);
  // Half of a backward that is not split.
  EXPECT_DOUBLE_EQ(units->weights_seconds[3], units->backward_seconds[3] / 2);
}

TEST(MeasuredCosts, AJobThatHasNotRunFarEnoughSaysHowFarItMust) {
  v1::Job job = JobThatRan();
  job.mutable_stages(1)->set_updates(9);
  EXPECT_EQ(SecondsMeasuredBy(job).status().message(),
            "job tiny-1 has done 9 updates, of which 10 are needed before its seconds mean "
            "something; ask again when it has");
  job.clear_stages();
  EXPECT_EQ(SecondsMeasuredBy(job).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(MeasuredCosts, AShortJobThatIsDoneCounts) {
  v1::Job job = JobThatRan();
  job.mutable_spec()->mutable_train()->set_updates(3);
  for (v1::StageStatus& stage : *job.mutable_stages()) {
    stage.set_updates(3);
    stage.set_forwards(24);
    stage.set_backwards(24);
    Spend(stage, 1, 2, 0, 0);
  }
  EXPECT_TRUE(SecondsMeasuredBy(job).ok());
  job.mutable_stages(2)->set_updates(2);
  EXPECT_FALSE(SecondsMeasuredBy(job).ok());
}

TEST(MeasuredCosts, StagesThatDoNotHoldTheModelAreRefused) {
  v1::Job job = JobThatRan();
  job.mutable_stages(1)->mutable_chunks(0)->set_first_unit(3);
  EXPECT_THAT(std::string(SecondsMeasuredBy(job).status().message()), HasSubstr("its 8 units"));
}

TEST(MeasuredCosts, ThePlanOfAJobAsItRunsHasTheStagesThatItMeasured) {
  v1::Job job = JobThatRan();
  for (v1::StageStatus& stage : *job.mutable_stages()) {
    Spend(stage, 0.001 * (stage.index() + 1), 0.002, 0, 0.004);
  }
  PlanRequest request{{3}, {"paci"}, {8}};
  request.measured = SecondsMeasuredBy(job).value();
  request.measured_source = SourceOfSeconds(job);
  const auto plan = MakePlan(SpecAsRun(job), request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->costs, "seconds that the workers of job tiny-1 measured over 20 updates");
  ASSERT_EQ(plan->choices.size(), 1u);
  for (int i = 0; i < 3; ++i) {
    const StageCosts& stage = plan->choices[0].costs.stages[i];
    EXPECT_NEAR(stage.forward_seconds, 0.001 * (i + 1), 1e-12);
    EXPECT_NEAR(stage.update_seconds, 0.004, 1e-12);
  }
}

TEST(MeasuredCosts, AJobThatWasRescaledIsTakenOverTheStagesThatItHas) {
  v1::Job job = JobThatRan();
  for (v1::StageStatus& stage : *job.mutable_stages()) Spend(stage, 0.001, 0.002, 0, 0.004);
  const UnitSeconds before = SecondsMeasuredBy(job).value();
  job.mutable_spec()->mutable_pipeline()->set_stages(2);
  job.mutable_spec()->mutable_pipeline()->add_partition(4);
  job.mutable_spec()->mutable_pipeline()->add_partition(4);
  EXPECT_EQ(SpecAsRun(job).pipeline().stages(), 3);
  EXPECT_EQ(SpecAsRun(job).pipeline().partition_size(), 3);
  EXPECT_EQ(SecondsMeasuredBy(job).value().forward_seconds, before.forward_seconds);
}

TEST(MeasuredCosts, AJobWithADriftLimitMeasuredTheMicroBatchesThatItRunsIn) {
  v1::Job job = JobThatRan();
  job.mutable_spec()->mutable_pipeline()->set_accumulation(4);
  job.mutable_spec()->mutable_pipeline()->set_micro_batch(6);
  job.mutable_spec()->mutable_pipeline()->set_drift_limit(0.01);
  job.set_micro_batch_split(2);
  const v1::JobSpec planned = SpecAsRun(job);
  EXPECT_EQ(planned.pipeline().accumulation(), 8);
  EXPECT_EQ(planned.pipeline().micro_batch(), 3);
  EXPECT_EQ(planned.pipeline().drift_limit(), 0) << "a plan is of one split";
  EXPECT_TRUE(CheckSameWork(job, planned).ok()) << CheckSameWork(job, planned);
  EXPECT_FALSE(CheckSameWork(job, job.spec()).ok());
}

TEST(MeasuredCosts, AnotherModelOrMicroBatchIsOtherWork) {
  const v1::Job job = JobThatRan();
  v1::JobSpec planned = job.spec();
  planned.mutable_pipeline()->set_stages(2);
  planned.mutable_pipeline()->set_schedule("1f1b");
  planned.mutable_optimizer()->set_lr(0.5);
  EXPECT_TRUE(CheckSameWork(job, planned).ok());
  planned.mutable_model()->set_hidden(job.spec().model().hidden() * 2);
  planned.mutable_pipeline()->set_micro_batch(job.spec().pipeline().micro_batch() + 1);
  const absl::Status other = CheckSameWork(job, planned);
  EXPECT_EQ(other.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.message()), HasSubstr("model.hidden: "));
  EXPECT_THAT(std::string(other.message()), HasSubstr("pipeline.micro_batch: "));
}

}  // namespace
}  // namespace paci
