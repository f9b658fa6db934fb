#include "coordinator/job/drift_split.h"

#include <gtest/gtest.h>

#include <limits>

#include "common/config/micro_batch_split.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

v1::Job CheckpointedJob(double limit, double drift, uint32_t split = 0) {
  v1::Job job;
  *job.mutable_spec() = SmallSpec("a", 4, 10);
  job.mutable_spec()->mutable_pipeline()->set_drift_limit(limit);
  job.mutable_spec()->mutable_pipeline()->set_accumulation(3);
  job.mutable_spec()->mutable_pipeline()->set_micro_batch(4);
  job.mutable_spec()->mutable_train()->set_eval_batches(5);
  job.set_micro_batch_split(split);
  job.add_checkpoints()->set_update(5);
  job.mutable_checkpoints(0)->set_drift(drift);
  return job;
}

// 0: as it is.
uint32_t Decided(const v1::Job& job) {
  const auto decision = DecideSplit(job);
  return decision ? decision->split : 0;
}

TEST(DriftSplit, EveryCaseIsDecidedAsWritten) {
  struct Case {
    double limit, drift;
    uint32_t split, expected;
    const char* why;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Case& c : std::vector<Case>{
           {0, 1, 0, 0, "there is no limit"},
           {0.01, 0.02, 0, 2, "above it"},
           {0.01, 0.01, 0, 0, "at it"},
           {0.01, 0.02, 2, 4, "still above it"},
           {0.01, 0.02, 4, 0, "a sequence cannot be halved"},
           {0.01, 0.0041, 4, 0, "twice as much would be near it"},
           {0.01, 0.0039, 4, 2, "not even twice as much would"},
           {0.01, 0.0039, 2, 1, "back to the job file's"},
           {0.01, 0, 0, 0, "never to larger ones than the job file's"},
           {0.01, 0, 4, 2, "nothing drifts"},
           {0.01, nan, 0, 0, "not a number"},
       }) {
    EXPECT_EQ(Decided(CheckpointedJob(c.limit, c.drift, c.split)), c.expected) << c.why;
  }
}

TEST(DriftSplit, TheReasonHasTheFiguresOfBoth) {
  EXPECT_EQ(DecideSplit(CheckpointedJob(0.01, 0.02, 2))->reason,
            "a drift of 0.02 is above pipeline.drift_limit 0.01; from update 5, its last "
            "checkpoint, it goes on with 12 micro-batches of 1 an update instead of 6 of 2");
  EXPECT_EQ(DecideSplit(CheckpointedJob(0.01, 0.002, 2))->reason,
            "a drift of 0.002 would with twice the lag still be well below pipeline.drift_limit "
            "0.01; from update 5, its last checkpoint, it goes on with 3 micro-batches of 4 an "
            "update instead of 6 of 2");
}

TEST(DriftSplit, NothingToGoOnFromOrNothingLeftToDoChangesNothing) {
  v1::Job job = CheckpointedJob(0.01, 0.02);
  job.mutable_checkpoints(0)->set_update(10);
  EXPECT_EQ(Decided(job), 0) << "the last update";
  job = CheckpointedJob(0.01, 0, 2);
  EXPECT_EQ(Decided(job), 1);
  job.mutable_checkpoints(0)->clear_drift();
  EXPECT_EQ(Decided(job), 0) << "nothing lagged, so that nothing is known";
  job.clear_checkpoints();
  EXPECT_EQ(Decided(job), 0);
}

v1::JobSpec SpecWith(double limit, uint32_t stages, uint32_t extra, uint32_t micro_batch) {
  v1::JobSpec spec = CheckpointedJob(limit, 0).spec();
  spec.mutable_pipeline()->set_stages(stages);
  spec.mutable_pipeline()->set_extra_in_flight(extra);
  spec.mutable_pipeline()->set_micro_batch(micro_batch);
  return spec;
}

TEST(DriftSplit, AJobBeginsWithALagOfAtMostOne) {
  EXPECT_EQ(FirstSplit(SpecWith(0.01, 4, 0, 16)), 1) << "3 micro-batches are enough";
  EXPECT_EQ(FirstSplit(SpecWith(0.01, 5, 0, 16)), 2);
  EXPECT_EQ(FirstSplit(SpecWith(0.01, 6, 1, 16)), 2) << "6 are";
  EXPECT_EQ(FirstSplit(SpecWith(0.01, 6, 2, 16)), 4) << "and 6 are not";
  EXPECT_EQ(FirstSplit(SpecWith(0.01, 6, 2, 2)), 2) << "but a sequence is not halved";
  EXPECT_EQ(FirstSplit(SpecWith(0, 6, 2, 16)), 1) << "there is no limit";
}

TEST(DriftSplit, AJobThatBeginsWhereAnotherWasGoesOnInItsMicroBatches) {
  const v1::JobSpec spec = SpecWith(0.01, 5, 0, 16);
  const auto first = [&](const v1::JobSpec& writer, uint32_t split) {
    return DecideFirstSplit(spec, &writer, split);
  };
  EXPECT_EQ(first(spec, 4).split, 4);
  EXPECT_EQ(first(spec, 4).reason,
            "in 12 micro-batches of 4 an update, as the job before went on from it");
  EXPECT_EQ(first(spec, 0).split, 1) << "even if it would begin with 2 by itself";
  EXPECT_EQ(first(SpecWith(0, 5, 0, 8), 4).split, 2) << "other ones: as any job begins";
  v1::JobSpec validates_more = spec;
  validates_more.mutable_train()->set_eval_batches(300000);
  EXPECT_EQ(DecideFirstSplit(validates_more, &spec, 4).split, 2)
      << "where it has no room for as many";
  EXPECT_EQ(DecideFirstSplit(spec, nullptr, 0).reason,
            "while its drift is not known, in 6 micro-batches of 8 an update for little lag");
  EXPECT_EQ(DecideFirstSplit(SpecWith(0, 5, 0, 16), nullptr, 0).split, 1);
  EXPECT_EQ(DecideFirstSplit(SpecWith(0, 5, 0, 16), nullptr, 0).reason, "");
}

TEST(DriftSplit, APlanIsOfWhatAJobBeginsAs) {
  const v1::JobSpec planned = AsItBegins(SpecWith(0.01, 5, 0, 16));
  EXPECT_EQ(planned.pipeline().accumulation(), 6);
  EXPECT_EQ(planned.pipeline().micro_batch(), 8);
  EXPECT_EQ(planned.pipeline().drift_limit(), 0) << "so that a flush can be beside it";
}

TEST(DriftSplit, TheBatchAndTheValidationStayWhatTheyAre) {
  const v1::Job job = CheckpointedJob(0.01, 0.02, 2);
  const v1::JobSpec split = SplitMicroBatches(job.spec(), SplitOf(job));
  EXPECT_EQ(split.pipeline().accumulation(), 6);
  EXPECT_EQ(split.pipeline().micro_batch(), 2);
  EXPECT_EQ(split.train().eval_batches(), 10);
  EXPECT_EQ(SplitOf(CheckpointedJob(0.01, 0)), 1);
}

TEST(DriftSplit, NoNumberLeavesTheRangeOfItsKey) {
  v1::JobSpec spec = CheckpointedJob(0.01, 0.02).spec();
  EXPECT_TRUE(CanSplit(spec, 4));
  EXPECT_FALSE(CanSplit(spec, 8));
  spec.mutable_pipeline()->set_accumulation(32768);
  EXPECT_TRUE(CanSplit(spec, 2));
  EXPECT_FALSE(CanSplit(spec, 4));
  spec.mutable_pipeline()->set_accumulation(1);
  spec.mutable_train()->set_eval_batches(500001);
  EXPECT_FALSE(CanSplit(spec, 2));
}

}  // namespace
}  // namespace paci
