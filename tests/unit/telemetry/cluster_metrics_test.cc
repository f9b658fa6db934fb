#include "coordinator/service/cluster_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "common/rpc/version.h"
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

std::string Text(const std::vector<v1::Job>& jobs, const std::vector<v1::Worker>& workers = {}) {
  return prometheus::TextSerializer().Serialize(ClusterMetrics(jobs, workers));
}

TEST(ClusterMetrics, AnEmptyClusterSaysSo) {
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
                         "paci_workers{state=\"lost\"} 0\n"));
}

TEST(ClusterMetrics, ARunningJobHasItsFiguresAndThoseOfItsStages) {
  const std::string text = Text({RunningJob("demo-1")});
  for (const char* line :
       {"# TYPE paci_job_tokens_total counter\n", "\npaci_job_generation{job=\"demo-1\"} 2\n",
        "\npaci_job_updates_total{job=\"demo-1\"} 24\n",
        "\npaci_job_tokens_total{job=\"demo-1\"} 3072\n",
        "\npaci_job_tokens_per_second{job=\"demo-1\"} 1234.5\n",
        "\npaci_job_loss{job=\"demo-1\"} 2.5\n",
        "\npaci_job_validation_loss{job=\"demo-1\"} 2.25\n",
        "\npaci_job_learning_rate{job=\"demo-1\"} 0.0005\n",
        "\npaci_job_state{job=\"demo-1\",state=\"running\"} 1\n",
        "\npaci_job_state{job=\"demo-1\",state=\"pending\"} 0\n",
        "\npaci_job_state{job=\"demo-1\",state=\"cancelled\"} 0\n",
        "\npaci_updates_total{job=\"demo-1\",stage=\"1\"} 25\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST(ClusterMetrics, EveryJobIsInExactlyOneState) {
  for (int state = v1::JOB_STATE_PENDING; state <= v1::JobState_MAX; ++state) {
    v1::Job job = RunningJob("j");
    job.set_state(static_cast<v1::JobState>(state));
    int ones = 0;
    for (const auto& family : ClusterMetrics({job}, {})) {
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
  EXPECT_THAT(text, HasSubstr("\npaci_job_tokens_total{job=\"new-1\"} 0\n"));
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
  EXPECT_THAT(text, HasSubstr("\npaci_job_tokens_total{job=\"old-1\"} 3072\n"));
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
  for (const auto& family : ClusterMetrics({RunningJob("a-1"), RunningJob("b-1")}, {})) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name;
  }
}

}  // namespace
}  // namespace paci
