#include "coordinator/job/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

using testing::HasSubstr;
using Kind = RecoveryDecision::Kind;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::Job RunningJob() {
  v1::Job job;
  *job.mutable_spec() = SmallSpec("a", 2, 10);
  job.mutable_spec()->mutable_recovery()->set_max_restarts(2);
  job.mutable_spec()->mutable_recovery()->set_window_seconds(60);
  job.set_state(v1::JOB_STATE_RUNNING);
  *job.mutable_started() = ToTimestamp(kNow);
  return job;
}

std::vector<FailureCause> Cause(FailureKind kind, const std::string& what) {
  return {{kind, 1, "w1", what}};
}

TEST(Recovery, ALostWorkerRestartsTheJobFromItsBeginningOrItsCheckpoint) {
  v1::Job job = RunningJob();
  const auto lost = Cause(FailureKind::kWorkerLost, "its stream broke");
  const RecoveryDecision first = DecideRecovery(job, lost, {}, kNow);
  EXPECT_EQ(first.kind, Kind::kRestart);
  EXPECT_EQ(first.reason,
            "stage 1 on worker w1 was lost: its stream broke; every stage goes back to its "
            "beginning, there being no checkpoint, restart 1 of at most 2 in 1m");
  job.add_checkpoints()->set_update(5);
  EXPECT_THAT(DecideRecovery(job, lost, {}, kNow).reason,
              HasSubstr("update 5, its last checkpoint"));
}

TEST(Recovery, RestartsCountWithinTheirWindowOnly) {
  v1::Job job = RunningJob();
  const auto lost = Cause(FailureKind::kWorkerLost, "its stream broke");
  for (const int seconds : {70, 50}) {
    *job.add_restarts() = ToTimestamp(kNow - absl::Seconds(seconds));
  }
  EXPECT_EQ(DecideRecovery(job, lost, {}, kNow).kind, Kind::kRestart);
  *job.add_restarts() = ToTimestamp(kNow - absl::Seconds(10));
  const RecoveryDecision last = DecideRecovery(job, lost, {}, kNow);
  EXPECT_EQ(last.kind, Kind::kFail);
  EXPECT_THAT(last.reason,
              HasSubstr("it has been restarted 2 times within 1m, which is its limit"));
  DropOldRestarts(job, kNow);
  EXPECT_EQ(job.restarts_size(), 2);
}

TEST(Recovery, WhatWouldOnlyFailAgainFailsTheJob) {
  v1::Job job = RunningJob();
  const auto decide = [&](const std::string& error) {
    return DecideRecovery(job, Cause(FailureKind::kOwnError, error), {}, kNow).kind;
  };
  EXPECT_EQ(decide("OUT_OF_RANGE: token 300"), Kind::kFail);
  EXPECT_EQ(decide("NOT_FOUND: no file"), Kind::kFail);
  EXPECT_EQ(decide("RESOURCE_EXHAUSTED: no memory"), Kind::kRestart);
  EXPECT_EQ(decide("DATA_LOSS: a frame is damaged"), Kind::kRestart);
  job.clear_started();
  EXPECT_EQ(decide("RESOURCE_EXHAUSTED: no memory"), Kind::kFail) << "it has never run";
  EXPECT_EQ(DecideRecovery(job, Cause(FailureKind::kWorkerLost, "gone"), {}, kNow).kind,
            Kind::kRestart);
}

TEST(Recovery, ADamagedCheckpointIsPassedOverForTheOneBefore) {
  v1::Job job = RunningJob();
  job.set_state(v1::JOB_STATE_PREPARING);
  for (const uint64_t update : {5, 10}) {
    v1::Checkpoint& checkpoint = *job.add_checkpoints();
    checkpoint.set_update(update);
    checkpoint.set_directory(absl::StrCat("ck/a-1/update-", absl::Dec(update, absl::kZeroPad8)));
  }
  const auto damaged = [&] {
    return Cause(FailureKind::kOwnError,
                 absl::StrCat("DATA_LOSS: ", ResumePoint(job)->directory(), "/unit-00001 is bad"));
  };
  const RecoveryDecision older = DecideRecovery(job, damaged(), {}, kNow);
  EXPECT_EQ(older.kind, Kind::kRestartFromOlder);
  EXPECT_THAT(older.reason, HasSubstr("the checkpoint before it, of update 5, is taken"));
  job.mutable_checkpoints()->DeleteSubrange(1, job.checkpoints_size() - 1);
  const RecoveryDecision none = DecideRecovery(job, damaged(), {}, kNow);
  EXPECT_EQ(none.kind, Kind::kFail);
  EXPECT_THAT(none.reason, HasSubstr("there is no other checkpoint to go back to"));
}

TEST(Recovery, BeforeItsFirstCheckpointAJobGoesBackToTheOneItBeganWith) {
  v1::Job job = RunningJob();
  EXPECT_EQ(ResumePoint(job), nullptr);
  job.mutable_resumed_from()->set_update(4);
  EXPECT_EQ(ResumePoint(job)->update(), 4);
  EXPECT_THAT(DecideRecovery(job, Cause(FailureKind::kWorkerLost, "gone"), {}, kNow).reason,
              HasSubstr("goes back to update 4, with which it began"));
  job.add_checkpoints()->set_update(5);
  EXPECT_EQ(ResumePoint(job)->update(), 5);
}

}  // namespace
}  // namespace paci
