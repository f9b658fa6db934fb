// What each command prints for given messages, beside the messages: testdata/*.txtpb, *.golden.

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cli/format/diagnosis_text.h"
#include "cli/format/document.h"
#include "cli/format/job_details.h"
#include "cli/format/metric_table.h"
#include "cli/format/tables.h"
#include "cli/format/watch_text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/cli/testdata.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

// Two minutes after the jobs of testdata were created.
const absl::Time kNow = absl::FromUnixSeconds(1767254400 + 120);

constexpr const char* kJobs[] = {"job_pending", "job_running", "job_split", "job_failed",
                                 "job_completed"};

class JobGolden : public testing::TestWithParam<const char*> {
 protected:
  const std::string name_ = GetParam();
  const v1::Job job_ = Read<v1::Job>(GetParam());
};

TEST_P(JobGolden, Describe) {
  const auto events = Read<v1::ListEventsResponse>("events");
  ExpectGolden(name_ + ".describe", JobDetails(job_, events, kNow));
}

TEST_P(JobGolden, Watch) {
  ExpectGolden(name_ + ".watch", WatchScreen(job_, kNow) + "\n" + WatchLine(job_) + "\n");
}

TEST_P(JobGolden, Summary) { ExpectGolden(name_ + ".summary", JobSummary(job_)); }

INSTANTIATE_TEST_SUITE_P(Cli, JobGolden, testing::ValuesIn(kJobs),
                         [](const auto& info) { return std::string(info.param); });

TEST(Golden, List) {
  v1::ListJobsResponse jobs;
  for (const char* name : kJobs) *jobs.add_jobs() = Read<v1::Job>(name);
  ExpectGolden("list", JobTable(jobs, kNow));
}

TEST(Golden, Events) {
  const auto events = Read<v1::ListEventsResponse>("events");
  std::string followed;
  for (const v1::Event& event : events.events()) followed += EventLine(event);
  ExpectGolden("events", EventTable(events.events()) + "\n" + followed);
}

TEST(Golden, Checkpoints) {
  ExpectGolden("checkpoints", CheckpointTable(Read<v1::Job>("job_split"), kNow));
}

TEST(Golden, Workers) {
  ExpectGolden("workers", WorkerTable(Read<v1::ListWorkersResponse>("workers"), kNow));
}

TEST(Golden, Diagnosis) {
  const auto diagnosis = Read<v1::Diagnosis>("diagnosis");
  ExpectGolden("diagnosis", DiagnosisText(diagnosis));
  ExpectGolden("diagnosis.json", ToJson(diagnosis).value());
}

TEST(Golden, Metrics) {
  const auto metrics = Read<v1::GetMetricsResponse>("metrics");
  ExpectGolden("metrics", MetricTable(metrics));
  ExpectGolden("metrics.csv", MetricCsv(metrics));
}

TEST(Golden, Spec) { ExpectGolden("spec", SpecDetails(Read<v1::Job>("job_pending").spec())); }

// Scripts depend on every name in these.
TEST(Golden, Documents) {
  const auto job = Read<v1::Job>("job_running");
  ExpectGolden("job_running.json", ToJson(job).value());
  ExpectGolden("job_running.yaml", ToYaml(job).value());
}

TEST(Golden, DescribeShowsTheLatestEventsAndSaysHowToSeeAllOfThem) {
  v1::ListEventsResponse events;
  for (int i = 1; i <= 25; ++i) {
    v1::Event* event = events.add_events();
    event->set_sequence(i);
    event->set_type("Event" + std::to_string(i));
  }
  const std::string text = JobDetails(Read<v1::Job>("job_pending"), events, kNow);
  EXPECT_EQ(text.find("Event5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Event6\n"), std::string::npos) << text;
  EXPECT_NE(text.find("Event25\n"), std::string::npos) << text;
  EXPECT_NE(text.find("the latest 20 of 25; all of them: pacictl events wait-7"), std::string::npos)
      << text;
}

TEST(Describe, SaysHowManyStagesThereAreWhereItIsNotWhatTheJobFileSays) {
  v1::Job job = Read<v1::Job>("job_running");
  EXPECT_THAT(JobDetails(job, {}, kNow), Not(HasSubstr(" wanted")));
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("4 stages, paci drain_first"));
  job.set_stage_count(3);
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("3 stages, paci drain_first"));
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("3 now, 4 wanted\n"));
  job.set_wanted_stages(7);
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("3 now, 7 wanted, 4 in the job file\n"));
}

TEST(Describe, AnExplicitPartitionIsShownForItsOwnNumberOfStages) {
  v1::Job job = Read<v1::Job>("job_pending");
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("4 stages, paci drain_first"));
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("partition 2+1+1+2"));
  job.set_stage_count(2);
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("partition flops"));
}

TEST(Describe, SaysThatAPauseIsStillToCome) {
  v1::Job job = Read<v1::Job>("job_running");
  job.set_state(v1::JOB_STATE_RECOVERING);
  EXPECT_THAT(JobDetails(job, {}, kNow), Not(HasSubstr("paused")));
  job.set_is_pause_wanted(true);
  EXPECT_THAT(JobDetails(job, {}, kNow), HasSubstr("Recovering, to be paused\n"));
  job.set_state(v1::JOB_STATE_FAILED);
  EXPECT_THAT(JobDetails(job, {}, kNow), Not(HasSubstr("paused")));
}

// The list has no stages.
TEST(List, ShowsAsManyStagesAsTheJobHas) {
  v1::ListJobsResponse jobs;
  v1::Job& job = *jobs.add_jobs();
  job = Read<v1::Job>("job_running");
  job.clear_stages();
  job.mutable_spec()->mutable_pipeline()->set_schedule("paci");
  EXPECT_THAT(JobTable(jobs, kNow), HasSubstr("paci           4  "));
  job.set_stage_count(3);
  EXPECT_THAT(JobTable(jobs, kNow), HasSubstr("paci           3  "));
}

// As of a job that goes on from a checkpoint and has said nothing yet.
TEST(Loss, IsNotZeroBeforeItIsKnown) {
  v1::Job job = Read<v1::Job>("job_running");
  job.mutable_progress()->clear_loss();
  job.mutable_progress()->clear_learning_rate();
  v1::ListJobsResponse jobs;
  *jobs.add_jobs() = job;
  EXPECT_THAT(JobTable(jobs, kNow), HasSubstr("150/300     -"));
  EXPECT_THAT(WatchLine(job), HasSubstr("  loss -  validation 2.700  "));
  EXPECT_THAT(WatchScreen(job, kNow), HasSubstr("loss -  "));
  EXPECT_THAT(WatchScreen(job, kNow), Not(HasSubstr("lr ")));
  EXPECT_THAT(JobDetails(job, {}, kNow), Not(HasSubstr("0.000 nats")));
}

}  // namespace
}  // namespace paci::cli
