#include "coordinator/job/reshape.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using Kind = PlacingDecision::Kind;

v1::Job CheckpointedJob(uint32_t min_stages, uint32_t wanted = 0) {
  v1::Job job;
  *job.mutable_spec() = SmallSpec("a", 4, 10);
  job.mutable_spec()->mutable_recovery()->set_min_stages(min_stages);
  job.set_wanted_stages(wanted);
  job.add_checkpoints()->set_update(5);
  return job;
}

std::vector<LeavingStage> Leaving(uint32_t count) {
  std::vector<LeavingStage> leaving;
  for (uint32_t i = 0; i < count; ++i) leaving.push_back({i, absl::StrCat("w", i), "SIGTERM"});
  return leaving;
}

// The stages that the job goes on over; 0: as it is.
uint32_t Reshaped(const v1::Job& job, uint32_t stages, uint32_t leaving, size_t free) {
  const auto decision = DecideReshape(job, stages, Leaving(leaving), free);
  return decision ? decision->stages : 0;
}

TEST(Reshape, EveryCaseIsDecidedAsWritten) {
  struct Case {
    uint32_t min_stages, wanted, stages, leaving;
    size_t free;
    uint32_t expected;
    const char* why;
  };
  for (const Case& c : std::vector<Case>{
           {0, 0, 4, 0, 9, 0, "it has what it wants"},
           {2, 0, 3, 0, 1, 4, "the missing worker is back"},
           {2, 0, 2, 0, 1, 0, "one of two is back: it waits for the other"},
           {0, 6, 4, 0, 2, 6, "a user asks for more"},
           {0, 6, 4, 0, 1, 0, "which are not there"},
           {0, 2, 4, 0, 0, 2, "a user asks for fewer"},
           {3, 2, 4, 0, 0, 2, "even fewer than it would make do with by itself"},
           {0, 0, 4, 1, 1, 4, "a free worker takes over"},
           {0, 0, 4, 1, 0, 0, "nobody takes over: it is finished first"},
           {3, 0, 4, 1, 0, 3, "with fewer, which is allowed"},
           {3, 0, 4, 2, 0, 0, "with fewer than allowed"},
           {3, 0, 4, 2, 1, 3, "one of two is replaced"},
           {1, 0, 4, 4, 0, 0, "nobody would be left"},
           {2, 0, 3, 1, 2, 4, "moves and grows at once"},
           {2, 0, 3, 1, 1, 3, "moves and stays small"},
           {0, 0, 3, 1, 0, 0, "may not shrink further"},
           {0, 6, 4, 1, 1, 4, "moves, and waits for the rest"},
           {0, 2, 4, 1, 0, 2, "the leaving one is not needed"},
           {0, 2, 4, 3, 0, 0, "but this one is"},
       }) {
    EXPECT_EQ(Reshaped(CheckpointedJob(c.min_stages, c.wanted), c.stages, c.leaving, c.free),
              c.expected)
        << c.why;
  }
}

TEST(Reshape, NumbersThatBreakARuleAreSkipped) {
  v1::Job job = CheckpointedJob(2);
  job.mutable_spec()->mutable_model()->set_layers(10);
  job.mutable_spec()->mutable_pipeline()->set_schedule("interleaved");
  job.mutable_spec()->mutable_pipeline()->set_chunks(2);
  job.mutable_spec()->mutable_pipeline()->set_accumulation(8);
  EXPECT_EQ(Reshaped(job, 4, 1, 0), 2) << "8 micro-batches do not go in groups of 3";
  job.mutable_spec()->mutable_recovery()->set_min_stages(1);
  EXPECT_EQ(Reshaped(job, 4, 3, 0), 0) << "a ring has two at least";
}

TEST(Reshape, NothingToGoOnFromOrNothingLeftToDoChangesNothing) {
  v1::Job job = CheckpointedJob(0, 2);
  EXPECT_EQ(Reshaped(job, 4, 0, 0), 2);
  job.mutable_checkpoints(0)->set_update(10);
  EXPECT_EQ(Reshaped(job, 4, 0, 0), 0);
  job.clear_checkpoints();
  EXPECT_EQ(Reshaped(job, 4, 0, 0), 0);
}

TEST(Reshape, TheReasonSaysWhyFromWhereAndOverHowMany) {
  EXPECT_EQ(DecideReshape(CheckpointedJob(2), 4, Leaving(1), 0)->reason,
            "worker w0 of stage 0 leaves (SIGTERM); from update 5, its last checkpoint, it goes on "
            "over 3 stages instead of 4, as recovery.min_stages allows, until workers return");
  EXPECT_EQ(DecideReshape(CheckpointedJob(0), 4, Leaving(1), 1)->reason,
            "worker w0 of stage 0 leaves (SIGTERM); from update 5, its last checkpoint, it goes on "
            "over 4 stages, on other workers");
  EXPECT_EQ(DecideReshape(CheckpointedJob(2), 3, {}, 1)->reason,
            "the workers for the 4 stages that are wanted are there; from update 5, its last "
            "checkpoint, it goes on over 4 stages instead of 3");
  EXPECT_EQ(DecideReshape(CheckpointedJob(2, 1), 3, {}, 0)->reason,
            "only 1 stage is wanted; from update 5, its last checkpoint, it goes on over 1 stage "
            "instead of 3");
}

PlacingDecision Placed(const v1::Job& job, uint32_t had, uint32_t enough, size_t free,
                       bool has_waited) {
  return DecidePlacing(job, {had, enough, 60, has_waited}, free);
}

TEST(Placing, AllThatIsWantedOrWhatItHadIsTakenAtOnce) {
  const v1::Job job = CheckpointedJob(2);
  EXPECT_EQ(Placed(job, 4, 4, 3, false).kind, Kind::kWait);
  const PlacingDecision all = Placed(job, 4, 4, 9, false);
  EXPECT_EQ(all.kind, Kind::kGoOn);
  EXPECT_EQ(all.stages, 4);
  EXPECT_EQ(all.reason, "");
  const PlacingDecision as_before = Placed(job, 3, 3, 3, false);
  EXPECT_EQ(as_before.stages, 3) << "what it lacked before is no reason to wait";
  EXPECT_EQ(as_before.reason, "it goes on over 3 stages instead of 4");
  const PlacingDecision more = Placed(job, 3, 3, 4, false);
  EXPECT_EQ(more.stages, 4);
  EXPECT_EQ(more.reason, "it goes on over 4 stages instead of 3");
}

TEST(Placing, AfterTheWaitItMakesDoWithFewerIfItMay) {
  const PlacingDecision fewer = Placed(CheckpointedJob(2), 4, 4, 3, true);
  EXPECT_EQ(fewer.kind, Kind::kGoOn);
  EXPECT_EQ(fewer.stages, 3);
  EXPECT_EQ(fewer.reason,
            "it goes on over 3 stages instead of 4, as recovery.min_stages allows, until workers "
            "return");
  EXPECT_EQ(Placed(CheckpointedJob(2), 4, 4, 2, true).stages, 2);
  const PlacingDecision none = Placed(CheckpointedJob(2), 4, 4, 1, true);
  EXPECT_EQ(none.kind, Kind::kFail);
  EXPECT_EQ(none.reason,
            "it cannot go on: it needs at least 2 workers, and for 1m no more than 1 were free");
  EXPECT_EQ(Placed(CheckpointedJob(0), 4, 4, 3, true).reason,
            "it cannot go on: it needs 4 workers, and for 1m no more than 3 were free");
}

TEST(Placing, WhatItHadIsEnoughForAJobThatWasToGrow) {
  const PlacingDecision back = Placed(CheckpointedJob(0, 6), 4, 6, 4, true);
  EXPECT_EQ(back.kind, Kind::kGoOn);
  EXPECT_EQ(back.stages, 4);
  EXPECT_EQ(back.reason, "it goes on over 4 stages instead of 6, until workers return");
  EXPECT_EQ(Placed(CheckpointedJob(0, 6), 4, 6, 4, false).kind, Kind::kWait);
  EXPECT_EQ(Placed(CheckpointedJob(0, 6), 4, 6, 3, true).kind, Kind::kFail);
}

}  // namespace
}  // namespace paci
