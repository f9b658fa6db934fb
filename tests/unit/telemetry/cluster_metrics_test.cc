#include "coordinator/service/cluster_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "common/rpc/version.h"
#include "coordinator/job/event_types.h"
#include "tests/unit/telemetry/full_status.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Job RunningJob(const std::string& id) {
  v1::Job job;
  job.set_id(id);
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_generation(2);
  job.mutable_progress()->set_updates(24);
  job.mutable_progress()->set_tokens(3072);
  job.mutable_progress()->set_tokens_per_second(1234.5);
  job.mutable_progress()->set_loss(2.5);
  job.mutable_progress()->set_learning_rate(0.0005);
  job.mutable_progress()->set_first_validation_loss(5.5);
  job.mutable_progress()->set_last_validation_loss(2.25);
  *job.add_stages() = FullStatus();
  return job;
}

v1::Worker WorkerIn(v1::WorkerState state) {
  v1::Worker worker;
  worker.set_state(state);
  return worker;
}

std::string Text(const std::vector<v1::Job>& jobs, const std::vector<v1::Worker>& workers = {},
                 const EventTally& events = EventTally()) {
  return prometheus::TextSerializer().Serialize(ClusterMetrics(jobs, workers, events));
}

v1::Event EventAt(const std::string& job, const std::string& type, int64_t second) {
  v1::Event event;
  event.set_job_id(job);
  event.set_type(type);
  event.mutable_time()->set_seconds(second);
  return event;
}

TEST(ClusterMetrics, AnEmptyClusterSaysSo) {
  std::string events =
      "# HELP paci_events_total Events of all jobs since the coordinator started\n"
      "# TYPE paci_events_total counter\n";
  for (const absl::string_view type : EventTypes()) {
    absl::StrAppend(&events, "paci_events_total{type=\"", type, "\"} 0\n");
  }
  EXPECT_EQ(Text({}),
            absl::StrCat("# HELP paci_coordinator_info Always 1: the coordinator's version\n"
                         "# TYPE paci_coordinator_info gauge\n"
                         "paci_coordinator_info{version=\"",
                         kVersion,
                         "\"} 1\n"
                         "# HELP paci_workers Workers by state\n"
                         "# TYPE paci_workers gauge\n"
                         "paci_workers{state=\"idle\"} 0\n"
                         "paci_workers{state=\"busy\"} 0\n"
                         "paci_workers{state=\"draining\"} 0\n"
                         "paci_workers{state=\"lost\"} 0\n",
                         events));
}

TEST(ClusterMetrics, ARunningJobHasItsFiguresAndThoseOfItsStages) {
  const std::string text = Text({RunningJob("demo-1")});
  for (const char* line :
       {"\npaci_job_generation{job=\"demo-1\"} 2\n", "\npaci_job_updates{job=\"demo-1\"} 24\n",
        "\npaci_job_tokens{job=\"demo-1\"} 3072\n",
        "\npaci_job_tokens_per_second{job=\"demo-1\"} 1234.5\n",
        "\npaci_job_loss{job=\"demo-1\"} 2.5\n",
        "\npaci_job_validation_loss{job=\"demo-1\"} 2.25\n",
        "\npaci_job_learning_rate{job=\"demo-1\"} 0.0005\n",
        "\npaci_job_state{job=\"demo-1\",state=\"running\"} 1\n",
        "\npaci_job_state{job=\"demo-1\",state=\"pending\"} 0\n",
        "\npaci_job_state{job=\"demo-1\",state=\"cancelled\"} 0\n",
        "\npaci_updates_total{job=\"demo-1\",stage=\"1\"} 5\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ClusterMetrics, EveryJobIsInExactlyOneState) {
  for (int state = v1::JOB_STATE_PENDING; state <= v1::JobState_MAX; ++state) {
    v1::Job job = RunningJob("j");
    job.set_state(static_cast<v1::JobState>(state));
    int ones = 0;
    for (const auto& family : ClusterMetrics({job}, {}, {})) {
      if (family.name != "paci_job_state") continue;
      EXPECT_EQ(family.metric.size(), 10U);
      for (const auto& metric : family.metric) ones += metric.gauge.value == 1;
    }
    EXPECT_EQ(ones, 1) << state;
  }
}

TEST(ClusterMetrics, WhatAJobDoesNotHaveYetIsAbsentAndNotZero) {
  v1::Job job;
  job.set_id("new-1");
  job.set_state(v1::JOB_STATE_PENDING);
  const std::string text = Text({job});
  EXPECT_THAT(text, Not(HasSubstr("loss")));
  EXPECT_THAT(text, Not(HasSubstr("learning_rate")));
  EXPECT_THAT(text, HasSubstr("\npaci_job_tokens{job=\"new-1\"} 0\n"));
  // It goes on from a checkpoint.
  job.mutable_progress()->set_updates(40);
  EXPECT_THAT(Text({job}), Not(HasSubstr("loss")));
  EXPECT_THAT(Text({job}), Not(HasSubstr("learning_rate")));
}

TEST(ClusterMetrics, AJobThatEndedHasNoSpeedButItsCounts) {
  v1::Job job = RunningJob("old-1");
  job.set_state(v1::JOB_STATE_COMPLETED);
  const std::string text = Text({job});
  EXPECT_THAT(text, HasSubstr("\npaci_job_tokens_per_second{job=\"old-1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_job_tokens{job=\"old-1\"} 3072\n"));
}

TEST(ClusterMetrics, AJobShowsWhatItWouldGoBackTo) {
  v1::Job job = RunningJob("a-1");
  job.mutable_spec()->mutable_checkpoint()->set_dir("/checkpoints");
  job.mutable_spec()->mutable_checkpoint()->set_every(10);
  job.mutable_spec()->mutable_train()->set_updates(100);
  std::string text = Text({job});
  EXPECT_THAT(text, HasSubstr("\npaci_job_checkpoint_update{job=\"a-1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_job_checkpoint_every_updates{job=\"a-1\"} 10\n"));
  EXPECT_THAT(text, Not(HasSubstr("checkpoint_timestamp_seconds")));
  EXPECT_THAT(text, Not(HasSubstr("checkpoint_bytes")));

  job.mutable_resumed_from()->set_update(5);
  EXPECT_THAT(Text({job}), HasSubstr("\npaci_job_checkpoint_update{job=\"a-1\"} 5\n"));

  for (const uint64_t update : {10, 20}) {
    v1::Checkpoint& checkpoint = *job.add_checkpoints();
    checkpoint.set_update(update);
    checkpoint.set_size_bytes(1000 + update);
    checkpoint.mutable_committed()->set_seconds(1700000000 + static_cast<int64_t>(update));
    checkpoint.mutable_committed()->set_nanos(500000000);
  }
  text = Text({job});
  EXPECT_THAT(text, HasSubstr("\npaci_job_checkpoint_update{job=\"a-1\"} 20\n"));
  EXPECT_THAT(text,
              HasSubstr("\npaci_job_checkpoint_timestamp_seconds{job=\"a-1\"} 1700000020.5\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_job_checkpoint_bytes{job=\"a-1\"} 1020\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_job_target_updates{job=\"a-1\"} 100\n"));
}

TEST(ClusterMetrics, AJobThatWritesNoCheckpointsOnItsWayHasNoCadence) {
  v1::Job job = RunningJob("a-1");
  EXPECT_THAT(Text({job}), Not(HasSubstr("checkpoint_every")));
  job.mutable_spec()->mutable_checkpoint()->set_dir("/checkpoints");  // after the last update
  EXPECT_THAT(Text({job}), Not(HasSubstr("checkpoint_every")));
}

TEST(ClusterMetrics, StagesAreWhatAJobHasAndWhatItIsToHave) {
  v1::Job job = RunningJob("a-1");
  job.mutable_spec()->mutable_pipeline()->set_stages(4);
  std::string text = Text({job});
  EXPECT_THAT(text, HasSubstr("\npaci_job_stages{job=\"a-1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\npaci_job_wanted_stages{job=\"a-1\"} 4\n"));
  job.set_wanted_stages(3);
  EXPECT_THAT(Text({job}), HasSubstr("\npaci_job_wanted_stages{job=\"a-1\"} 3\n"));
}

TEST(ClusterMetrics, RestartsAreOfEveryJobAndZeroBeforeTheFirst) {
  EventTally events;
  events.Add(EventAt("a-1", "Recovering", 10));
  events.Add(EventAt("a-1", "Running", 12));
  events.Add(EventAt("a-1", "Recovering", 20));
  const std::string text = Text({RunningJob("a-1"), RunningJob("b-2")}, {}, events);
  for (const char* line :
       {"\npaci_events_total{type=\"Recovering\"} 2\n", "\npaci_events_total{type=\"Failed\"} 0\n",
        "\npaci_job_restarts_total{job=\"a-1\"} 2\n",
        "\npaci_job_recoveries_total{job=\"a-1\"} 1\n",
        "\npaci_job_recovery_seconds_total{job=\"a-1\"} 2\n",
        "\npaci_job_restarts_total{job=\"b-2\"} 0\n",
        "\npaci_job_recovery_seconds_total{job=\"b-2\"} 0\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ClusterMetrics, WorkersAreCountedByState) {
  const std::string text =
      Text({}, {WorkerIn(v1::WORKER_STATE_BUSY), WorkerIn(v1::WORKER_STATE_LOST),
                WorkerIn(v1::WORKER_STATE_BUSY)});
  EXPECT_THAT(text, HasSubstr("paci_workers{state=\"idle\"} 0\n"
                              "paci_workers{state=\"busy\"} 2\n"
                              "paci_workers{state=\"draining\"} 0\n"
                              "paci_workers{state=\"lost\"} 1\n"));
}

TEST(ClusterMetrics, EveryFamilyIsInOnePiece) {
  std::set<std::string> names;
  for (const auto& family : ClusterMetrics({RunningJob("a-1"), RunningJob("b-1")}, {}, {})) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
  }
}

}  // namespace
}  // namespace paci
