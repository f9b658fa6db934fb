#include "coordinator/job/job_machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace paci {
namespace {

using enum JobTrigger;
using testing::HasSubstr;

const std::vector<JobTrigger> kTriggers = {kPlace,  kRequeue,      kPrepare, kRun,     kPause,
                                           kHeld,   kAbandonPause, kRecover, kRescale, kSplit,
                                           kResume, kComplete,     kFail,    kCancel};

std::vector<v1::JobState> States() {
  std::vector<v1::JobState> states;
  for (int i = 1; i < v1::JobState_ARRAYSIZE; ++i) states.push_back(static_cast<v1::JobState>(i));
  return states;
}

// What the machine must be, written once more: by trigger, from and to.
std::map<JobTrigger, std::map<v1::JobState, v1::JobState>> Expected() {
  using namespace v1;  // NOLINT
  return {
      {kPlace, {{JOB_STATE_PENDING, JOB_STATE_PLACING}}},
      {kRequeue,
       {{JOB_STATE_PLACING, JOB_STATE_PENDING}, {JOB_STATE_PREPARING, JOB_STATE_PENDING}}},
      {kPrepare,
       {{JOB_STATE_PLACING, JOB_STATE_PREPARING}, {JOB_STATE_RECOVERING, JOB_STATE_PREPARING}}},
      {kRecover,
       {{JOB_STATE_PREPARING, JOB_STATE_RECOVERING},
        {JOB_STATE_RUNNING, JOB_STATE_RECOVERING},
        {JOB_STATE_PAUSING, JOB_STATE_RECOVERING},
        {JOB_STATE_PAUSED, JOB_STATE_RECOVERING}}},
      {kRescale, {{JOB_STATE_RUNNING, JOB_STATE_RECOVERING}}},
      {kSplit, {{JOB_STATE_RUNNING, JOB_STATE_RECOVERING}}},
      {kRun, {{JOB_STATE_PREPARING, JOB_STATE_RUNNING}}},
      {kPause, {{JOB_STATE_RUNNING, JOB_STATE_PAUSING}}},
      {kHeld, {{JOB_STATE_PAUSING, JOB_STATE_PAUSED}}},
      {kAbandonPause, {{JOB_STATE_PAUSING, JOB_STATE_RUNNING}}},
      {kResume, {{JOB_STATE_PAUSING, JOB_STATE_RUNNING}, {JOB_STATE_PAUSED, JOB_STATE_RUNNING}}},
      {kComplete,
       {{JOB_STATE_RUNNING, JOB_STATE_COMPLETED}, {JOB_STATE_PAUSING, JOB_STATE_COMPLETED}}},
      {kFail,
       {{JOB_STATE_PLACING, JOB_STATE_FAILED},
        {JOB_STATE_PREPARING, JOB_STATE_FAILED},
        {JOB_STATE_RUNNING, JOB_STATE_FAILED},
        {JOB_STATE_RECOVERING, JOB_STATE_FAILED},
        {JOB_STATE_PAUSING, JOB_STATE_FAILED},
        {JOB_STATE_PAUSED, JOB_STATE_FAILED}}},
      {kCancel,
       {{JOB_STATE_PENDING, JOB_STATE_CANCELLED},
        {JOB_STATE_PLACING, JOB_STATE_CANCELLED},
        {JOB_STATE_PREPARING, JOB_STATE_CANCELLED},
        {JOB_STATE_RUNNING, JOB_STATE_CANCELLED},
        {JOB_STATE_RECOVERING, JOB_STATE_CANCELLED},
        {JOB_STATE_PAUSING, JOB_STATE_CANCELLED},
        {JOB_STATE_PAUSED, JOB_STATE_CANCELLED}}}};
}

TEST(JobMachine, EveryPairOfStateAndTriggerIsAsItMustBe) {
  for (const JobTrigger trigger : kTriggers) {
    const std::map<v1::JobState, v1::JobState> row = Expected().at(trigger);
    for (const v1::JobState from : States()) {
      const absl::StatusOr<JobTransition> found = FindTransition("a-1", from, trigger);
      const auto expected = row.find(from);
      ASSERT_EQ(found.ok(), expected != row.end()) << ToString(from) << " " << ToString(trigger);
      if (found.ok()) {
        EXPECT_EQ(found->to, expected->second) << ToString(from) << " " << ToString(trigger);
      } else {
        EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition);
        EXPECT_THAT(found.status().message(), HasSubstr(std::string(ToString(from))));
      }
    }
  }
}

TEST(JobMachine, ARefusalNamesTheStatesThatAllowTheVerb) {
  EXPECT_EQ(FindTransition("a-1", v1::JOB_STATE_COMPLETED, kResume).status().message(),
            "job a-1 is Completed: it cannot resume; that needs a job that is one of: Pausing, "
            "Paused");
}

TEST(JobMachine, NoTwoRowsShareStateAndTrigger) {
  std::set<std::pair<v1::JobState, JobTrigger>> seen;
  for (const JobTransition& row : JobTransitions()) {
    EXPECT_TRUE(seen.emplace(row.from, row.trigger).second) << row.event;
    EXPECT_FALSE(row.event.empty());
    EXPECT_FALSE(row.when.empty());
  }
}

TEST(JobMachine, WhatHasEndedStaysSoAndOnlyPlacedJobsHaveStages) {
  for (const JobTransition& row : JobTransitions()) EXPECT_FALSE(IsEnded(row.from));
  for (const v1::JobState state : States()) {
    EXPECT_FALSE(IsEnded(state) && IsPlaced(state)) << ToString(state);
  }
  EXPECT_FALSE(IsPlaced(v1::JOB_STATE_PENDING));
  EXPECT_TRUE(IsPlaced(v1::JOB_STATE_PAUSED));
}

}  // namespace
}  // namespace paci
