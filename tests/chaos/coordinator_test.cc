// The coordinator is killed while commands are under way to it: one that was acknowledged is in
// force afterwards, one that was not happened as a whole or not at all. PACI_CHAOS_KILLS says how
// often; the moment of the kill follows the answers, so that about half of the commands get none.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/deadline.h"
#include "tests/chaos/chaos.h"
#include "tests/integration/job_files.h"

namespace paci {
namespace {

enum class Verb { kSubmit, kPause, kResume, kCancel };

struct Answer {
  grpc::Status status;
  v1::Job job;  // as the coordinator showed it
};

bool IsPaused(const v1::Job& job) {
  return job.state() == v1::JOB_STATE_PAUSING || job.state() == v1::JOB_STATE_PAUSED ||
         job.is_pause_wanted();
}

class Coordinator : public ChaosTest {
 protected:
  static Answer Call(v1::JobService::Stub& jobs, Verb verb, const std::string& job_id,
                     const v1::SubmitJobRequest& submission) {
    Answer answer;
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(30)));
    const auto ask = [&](auto request, auto method) {
      request.set_job_id(job_id);
      answer.status = (jobs.*method)(&context, request, &answer.job);
    };
    switch (verb) {
      case Verb::kSubmit:
        answer.status = jobs.SubmitJob(&context, submission, &answer.job);
        break;
      case Verb::kPause:
        ask(v1::PauseJobRequest(), &v1::JobService::Stub::PauseJob);
        break;
      case Verb::kResume:
        ask(v1::ResumeJobRequest(), &v1::JobService::Stub::ResumeJob);
        break;
      case Verb::kCancel:
        ask(v1::CancelJobRequest(), &v1::JobService::Stub::CancelJob);
        break;
    }
    return answer;
  }

  // The verb, with the coordinator killed while it is under way, or just before or after.
  Answer CallAndKill(LocalCluster& cluster, Verb verb, const std::string& job_id,
                     const v1::SubmitJobRequest& submission) {
    Answer answer;
    std::thread caller([&] { answer = Call(cluster.jobs(), verb, job_id, submission); });
    absl::SleepFor(delay_);  // the moment
    cluster.KillCoordinator();
    caller.join();
    delay_ *= answer.status.ok() ? 0.7 : 1.4;
    answer.status.ok() ? ++acknowledged_ : ++unanswered_;
    cluster.StartCoordinator();
    return answer;
  }

  static std::vector<v1::Job> Jobs(const LocalCluster& cluster) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(30)));
    v1::ListJobsResponse response;
    EXPECT_TRUE(cluster.jobs().ListJobs(&context, {}, &response).ok());
    return {response.jobs().begin(), response.jobs().end()};
  }

  // The submission is a job with all that belongs to one, or nothing; asked again, it is there
  // once.
  std::string ExpectSubmittedOrAbsent(const LocalCluster& cluster, const Answer& answer,
                                      const v1::SubmitJobRequest& submission, size_t jobs_before) {
    const size_t jobs = Jobs(cluster).size();
    EXPECT_LE(jobs, jobs_before + 1);
    if (answer.status.ok()) {
      EXPECT_EQ(jobs, jobs_before + 1);
    }
    const Answer again = Call(cluster.jobs(), Verb::kSubmit, "", submission);
    EXPECT_TRUE(again.status.ok()) << again.status.error_message();
    if (answer.status.ok()) {
      EXPECT_EQ(again.job.id(), answer.job.id());
    }
    EXPECT_EQ(Jobs(cluster).size(), jobs_before + 1);
    EXPECT_EQ(Reasons(cluster, again.job.id(), "Submitted").size(), 1);
    EXPECT_EQ(again.job.spec().name(), submission.spec().name());
    return again.job.id();
  }

  static void ExpectInForceOrAbsent(const LocalCluster& cluster, Verb verb, const Answer& answer,
                                    const v1::Job& before) {
    const v1::Job after = cluster.Get(before.id());
    const bool is_cancelled = after.state() == v1::JOB_STATE_CANCELLED;
    EXPECT_EQ(Reasons(cluster, after.id(), "Cancelled").size(), is_cancelled ? 1 : 0);
    if (verb == Verb::kCancel) {
      if (answer.status.ok()) {
        EXPECT_TRUE(is_cancelled) << after.ShortDebugString();
      }
      if (!is_cancelled) {
        EXPECT_EQ(IsPaused(after), IsPaused(before));
      }
      return;
    }
    EXPECT_FALSE(is_cancelled) << "nobody asked for that";
    const bool is_wanted_paused = verb == Verb::kPause;
    if (answer.status.ok()) {
      EXPECT_EQ(IsPaused(after), is_wanted_paused) << after.reason();
    }
    if (IsPaused(after) != IsPaused(before)) {
      EXPECT_EQ(IsPaused(after), is_wanted_paused);
    }
    const std::vector<std::string> events = cluster.EventTypes(after.id());
    const auto last = std::find_if(events.rbegin(), events.rend(), [](const std::string& type) {
      return type == "Pausing" || type == "Resumed" || type == "Running";
    });
    ASSERT_NE(last, events.rend());
    EXPECT_EQ(*last == "Pausing", IsPaused(after)) << "event and state are written as one";
  }

  absl::Duration delay_ = absl::Milliseconds(2);
  int acknowledged_ = 0;
  int unanswered_ = 0;
};

TEST_F(Coordinator, KilledWhileCommandsAreUnderWay) {
  const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 20);
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  v1::SubmitJobRequest submission;
  *submission.mutable_spec() = cluster.Get(cluster.Submit(job_file, {})).spec();
  std::string running = Jobs(cluster)[0].id();  // the others wait for its workers
  std::vector<std::string> waiting;
  for (uint64_t kill = 0; kill < kills; ++kill) {
    cluster.Await(running, [](const v1::Job& job) {
      return job.state() == v1::JOB_STATE_RUNNING || job.state() == v1::JOB_STATE_PAUSED;
    });
    const v1::Job before = cluster.Get(running);
    Verb verb = IsPaused(before) ? Verb::kResume : Verb::kPause;
    const uint64_t choice = Below(4);
    if (choice == 0 || waiting.empty()) verb = Verb::kSubmit;
    if (choice == 1 && !waiting.empty()) verb = Verb::kCancel;
    SCOPED_TRACE(absl::StrCat("kill ", kill, ", verb ", static_cast<int>(verb)));
    submission.set_request_id(absl::StrCat("request-", kill));
    const size_t jobs_before = Jobs(cluster).size();
    const Answer answer = CallAndKill(cluster, verb, running, submission);
    if (verb == Verb::kSubmit) {
      waiting.push_back(ExpectSubmittedOrAbsent(cluster, answer, submission, jobs_before));
      continue;
    }
    ExpectInForceOrAbsent(cluster, verb, answer, before);
    EXPECT_EQ(Jobs(cluster).size(), jobs_before);
    if (cluster.Get(running).state() == v1::JOB_STATE_CANCELLED) {
      running = waiting.front();
      waiting.erase(waiting.begin());
    }
    if (HasFailure()) return;
  }
  std::cout << acknowledged_ << " commands were acknowledged, " << unanswered_ << " were not\n";
  EXPECT_GT(acknowledged_, 0);
  EXPECT_GT(unanswered_, 0);
  EXPECT_EQ(acknowledged_ + unanswered_, kills);
}

}  // namespace
}  // namespace paci
