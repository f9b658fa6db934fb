#include "coordinator/service/event_tally.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/rpc/timestamp.h"
#include "coordinator/job/event_types.h"
#include "coordinator/job/job_machine.h"

namespace paci {
namespace {

class EventTallyTest : public testing::Test {
 protected:
  void Add(const std::string& job, const std::string& type, double seconds) {
    v1::Event event;
    event.set_job_id(job);
    event.set_type(type);
    *event.mutable_time() = ToTimestamp(absl::FromUnixSeconds(1000) + absl::Seconds(seconds));
    tally_.Add(event);
  }
  void ExpectRecoveries(const std::string& job, uint64_t restarts, uint64_t recoveries,
                        double seconds) {
    const EventTally::Recoveries of_job = tally_.OfJob(job);
    EXPECT_EQ(of_job.restarts, restarts);
    EXPECT_EQ(of_job.recoveries, recoveries);
    EXPECT_DOUBLE_EQ(absl::ToDoubleSeconds(of_job.spent), seconds);
  }

  EventTally tally_;
};

TEST_F(EventTallyTest, EveryTypeIsThereBeforeItHappens) {
  const auto& counts = tally_.by_type();
  EXPECT_EQ(counts.size(), EventTypes().size());
  for (const JobTransition& transition : JobTransitions()) {
    EXPECT_EQ(counts.count(std::string(transition.event)), 1U) << transition.event;
  }
  EXPECT_EQ(counts.at("StageLost"), 0U);
}

TEST_F(EventTallyTest, EventsAreCountedByTypeOverAllJobs) {
  Add("a-1", "StageLost", 0);
  Add("b-2", "StageLost", 1);
  Add("b-2", "Submitted", 2);
  EXPECT_EQ(tally_.by_type().at("StageLost"), 2U);
  EXPECT_EQ(tally_.by_type().at("Submitted"), 1U);
}

TEST_F(EventTallyTest, ARecoveryLastsUntilTheJobRunsAgain) {
  Add("a-1", "Running", 0);
  Add("a-1", "Recovering", 10);
  ExpectRecoveries("a-1", 1, 0, 0);
  Add("a-1", "Preparing", 12);
  Add("a-1", "Running", 12.5);
  ExpectRecoveries("a-1", 1, 1, 2.5);
  Add("a-1", "Recovering", 20);
  Add("a-1", "Running", 21);
  ExpectRecoveries("a-1", 2, 2, 3.5);
  ExpectRecoveries("b-2", 0, 0, 0);
}

TEST_F(EventTallyTest, AFailureOnTheWayBackIsOfTheSameRecovery) {
  Add("a-1", "Recovering", 10);
  Add("a-1", "Recovering", 13);
  Add("a-1", "Running", 14);
  ExpectRecoveries("a-1", 2, 1, 4);
}

TEST_F(EventTallyTest, ARescaleIsNoRecovery) {
  Add("a-1", "Rescaling", 10);
  Add("a-1", "Running", 11);
  ExpectRecoveries("a-1", 0, 0, 0);
}

TEST_F(EventTallyTest, ADeletedJobIsForgotten) {
  Add("a-1", "Recovering", 10);
  tally_.Forget("a-1");
  ExpectRecoveries("a-1", 0, 0, 0);
}

}  // namespace
}  // namespace paci
