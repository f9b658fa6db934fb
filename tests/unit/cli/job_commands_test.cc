// Commands about one job, in process, against a server that says what the test wants.

#include <atomic>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/unit/cli/scripted_coordinator.h"
#include "tests/unit/cli/testdata.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kJobFile[] = "tests/unit/cli/testdata/job.yaml";

const grpc::Status kAway(grpc::StatusCode::UNAVAILABLE, "restarting");

TEST(Submit, SendsTheSameRequestAgainWhenTheCoordinatorIsAway) {
  absl::Mutex mutex;
  std::vector<std::string> ids;
  ScriptedCoordinator coordinator;
  coordinator.submit = [&](const v1::SubmitJobRequest& request, v1::Job* job) {
    absl::MutexLock lock(&mutex);
    ids.push_back(request.request_id());
    job->set_id("tiny-1");
    return ids.size() < 3 ? kAway : grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(coordinator, {"submit", kJobFile});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("job tiny-1 is submitted"));
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(ids[0].size(), 32u);

  RunAgainst(coordinator, {"submit", kJobFile});
  EXPECT_NE(ids[3], ids[0]) << "another submit is another job";
}

TEST(Submit, DoesNotRepeatWhatTheCoordinatorRefused) {
  ScriptedCoordinator coordinator;
  std::atomic<int> calls = 0;
  coordinator.submit = [&](const v1::SubmitJobRequest&, v1::Job*) {
    ++calls;
    return grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "1000 jobs are the limit");
  };
  const CommandResult result = RunAgainst(coordinator, {"submit", kJobFile});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "pacictl: 1000 jobs are the limit\n");
  EXPECT_EQ(calls, 1);
}

TEST(Submit, SendsTheOverriddenSpec) {
  ScriptedCoordinator coordinator;
  v1::JobSpec spec;
  coordinator.submit = [&](const v1::SubmitJobRequest& request, v1::Job* job) {
    spec = request.spec();
    job->set_id("tiny-1");
    return grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(
      coordinator, {"submit", "--set", "train.updates=77", kJobFile, "--set=train.seed=5"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(spec.train().updates(), 77u);
  EXPECT_EQ(spec.train().seed(), 5u);
}

TEST(Submit, AFolderThatIsTakenForAJobIsToldHowToNameOne) {
  ScriptedCoordinator coordinator;
  coordinator.get = [](const v1::GetJobRequest& request, v1::Job*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND,
                        absl::StrCat("there is no job \"", request.job_id(), "\""));
  };
  const CommandResult result =
      RunAgainst(coordinator, {"submit", kJobFile, "--resume-from", "update-00000040.g1"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.err,
            "pacictl: --resume-from update-00000040.g1: there is no job \"update-00000040.g1\"; a "
            "folder is named with a slash, as ./update-00000040.g1\n");
}

TEST(Pause, OfAJobThatDoesNotRunSaysThatItIsStillToCome) {
  ScriptedCoordinator coordinator;
  coordinator.pause = [](const v1::PauseJobRequest& request, v1::Job* job) {
    job->set_id(request.job_id());
    job->set_state(v1::JOB_STATE_RECOVERING);
    job->set_reason("stage 1 was lost");
    job->set_is_pause_wanted(true);
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunAgainst(coordinator, {"pause", "tiny-1"}).out,
            "job tiny-1 is Recovering, and pauses when it runs: stage 1 was lost\n");
}

TEST(Rescale, AsksForANumberOrForTheOneOfTheJobFile) {
  ScriptedCoordinator coordinator;
  std::vector<uint32_t> asked;
  coordinator.rescale = [&](const v1::RescaleJobRequest& request, v1::Job* job) {
    asked.push_back(request.stages());
    job->set_id(request.job_id());
    job->set_state(v1::JOB_STATE_RUNNING);
    job->set_reason("a user asks for it");
    job->mutable_spec()->mutable_pipeline()->set_stages(4);
    job->set_wanted_stages(request.stages());
    return grpc::Status::OK;
  };
  EXPECT_EQ(RunAgainst(coordinator, {"rescale", "tiny-1", "--stages", "1"}).out,
            "1 stage is wanted; job tiny-1 is Running: a user asks for it\n");
  EXPECT_EQ(RunAgainst(coordinator, {"rescale", "tiny-1", "--default"}).out,
            "4 stages are wanted; job tiny-1 is Running: a user asks for it\n");
  EXPECT_EQ(asked, (std::vector<uint32_t>{1, 0}));
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"rescale", "tiny-1"},
                                                {"rescale", "tiny-1", "--default", "--stages", "3"},
                                                {"rescale", "tiny-1", "--stages", "0"},
                                                {"rescale", "tiny-1", "--stages", "-1"}}) {
    const CommandResult result = RunAgainst(coordinator, wrong);
    EXPECT_NE(result.code, 0);
    EXPECT_THAT(result.err, HasSubstr("--stages"));
  }
  EXPECT_EQ(asked.size(), 2u);
}

// Answers GetJob with `now`, and a stream with each of `stream`.
void Play(ScriptedCoordinator* coordinator, const v1::Job& now,
          const std::vector<v1::Job>& stream) {
  coordinator->get = [now](const v1::GetJobRequest&, v1::Job* job) {
    *job = now;
    return grpc::Status::OK;
  };
  coordinator->watch = [stream](const v1::WatchJobRequest&, grpc::ServerContext*,
                                ScriptedCoordinator::JobWriter* writer) {
    for (const v1::Job& job : stream) writer->Write(job);
    return grpc::Status::OK;
  };
}

TEST(Watch, PrintsALineForEachChangeAndTheSummaryOfACompletedJob) {
  const auto running = Read<v1::Job>("job_running");
  const auto completed = Read<v1::Job>("job_completed");
  ScriptedCoordinator coordinator;
  Play(&coordinator, running, {running, running, completed});
  const CommandResult result = RunAgainst(coordinator, {"watch", "tiny-1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const size_t first = result.out.find("150/300 updates");
  ASSERT_NE(first, std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("150/300 updates", first + 1), std::string::npos)
      << "nothing changed, so there is nothing to print:\n"
      << result.out;
  EXPECT_THAT(result.out, HasSubstr("Validation loss:  5.561 -> 2.232 nats a token"));
  EXPECT_THAT(result.out, HasSubstr("LAG BOUND"));
}

TEST(Watch, ExitsWithOneAndTheReasonWhenTheJobFailed) {
  const auto failed = Read<v1::Job>("job_failed");
  ScriptedCoordinator coordinator;
  Play(&coordinator, failed, {failed});
  const CommandResult result = RunAgainst(coordinator, {"watch", "tiny-2"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("pacictl: job tiny-2 failed: stage 2 failed"));
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\x1b")));
}

TEST(Watch, ExitsWithOneWhenTheJobWasCancelled) {
  auto job = Read<v1::Job>("job_running");
  job.set_state(v1::JOB_STATE_CANCELLED);
  job.set_reason("cancelled by request");
  ScriptedCoordinator coordinator;
  Play(&coordinator, job, {job});
  const CommandResult result = RunAgainst(coordinator, {"watch", "tiny-1"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "pacictl: job tiny-1 was cancelled: cancelled by request\n");
}

TEST(Watch, AnUnknownJobIsNotFoundAtOnce) {
  ScriptedCoordinator coordinator;
  coordinator.get = [](const v1::GetJobRequest& request, v1::Job*) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, absl::StrCat("no job ", request.job_id()));
  };
  const CommandResult result = RunAgainst(coordinator, {"watch", "ghost-1"});
  EXPECT_EQ(result.code, 3);
  EXPECT_EQ(result.err, "pacictl: no job ghost-1\n");
}

TEST(Watch, WaitsForACoordinatorThatGoesAwayInBetween) {
  const auto running = Read<v1::Job>("job_running");
  const auto completed = Read<v1::Job>("job_completed");
  ScriptedCoordinator coordinator;
  std::atomic<int> gets = 0;
  std::atomic<int> streams = 0;
  coordinator.get = [&](const v1::GetJobRequest&, v1::Job* job) {
    *job = running;
    const int call = ++gets;
    return call == 2 || call == 3 ? kAway : grpc::Status::OK;
  };
  coordinator.watch = [&](const v1::WatchJobRequest&, grpc::ServerContext*,
                          ScriptedCoordinator::JobWriter* writer) {
    const bool breaks = ++streams == 1;
    writer->Write(breaks ? running : completed);
    return breaks ? kAway : grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(coordinator, {"watch", "tiny-1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(gets, 4);
  EXPECT_EQ(streams, 2);
  EXPECT_THAT(result.err, HasSubstr("lost the coordinator"));
  EXPECT_THAT(result.out, HasSubstr("tiny-1 Completed"));
}

TEST(Watch, WithJsonPrintsADocumentALine) {
  const auto running = Read<v1::Job>("job_running");
  const auto completed = Read<v1::Job>("job_completed");
  ScriptedCoordinator coordinator;
  Play(&coordinator, running, {running, completed});
  const CommandResult result = RunAgainst(coordinator, {"watch", "tiny-1", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  std::istringstream lines(result.out);
  std::vector<std::string> states;
  for (std::string line; std::getline(lines, line);) {
    states.push_back(nlohmann::json::parse(line)["state"]);
  }
  EXPECT_THAT(states, testing::ElementsAre("JOB_STATE_RUNNING", "JOB_STATE_COMPLETED"));
}

TEST(SubmitAndWatch, EndsWithTheJob) {
  ScriptedCoordinator coordinator;
  const auto completed = Read<v1::Job>("job_completed");
  Play(&coordinator, completed, {completed});
  coordinator.submit = [&](const v1::SubmitJobRequest&, v1::Job* job) {
    job->set_id("tiny-1");
    return grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(coordinator, {"submit", kJobFile, "--watch"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Ctrl-C stops watching, not the job"));
  EXPECT_THAT(result.out, HasSubstr("tiny-1 Completed"));
}

TEST(Events, FollowPrintsEachEventOnceAndEndsWithTheJob) {
  const auto all = Read<v1::ListEventsResponse>("events");
  ScriptedCoordinator coordinator;
  std::atomic<int> gets = 0;
  // The job ends between the first answer and the second, and has two more events then.
  coordinator.get = [&](const v1::GetJobRequest&, v1::Job* job) {
    *job = Read<v1::Job>(++gets == 1 ? "job_running" : "job_completed");
    return grpc::Status::OK;
  };
  coordinator.events = [&](const v1::ListEventsRequest& request, v1::ListEventsResponse* response) {
    const int known = gets == 1 ? 3 : all.events_size();
    for (int i = 0; i < known; ++i) {
      if (all.events(i).sequence() > request.after_sequence())
        *response->add_events() = all.events(i);
    }
    return grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(coordinator, {"events", "tiny-1", "--follow"});
  EXPECT_EQ(result.code, 0) << result.err;
  size_t lines = 0;
  for (const v1::Event& event : all.events()) {
    EXPECT_THAT(result.out, HasSubstr("  " + event.type() + "  "));
    ++lines;
  }
  EXPECT_EQ(static_cast<size_t>(std::count(result.out.begin(), result.out.end(), '\n')), lines);
}

TEST(Generate, SendsItsArgumentsAndEscapesWhatIsNoText) {
  ScriptedCoordinator coordinator;
  v1::GenerateRequest sent;
  coordinator.generate = [&](const v1::GenerateRequest& request, v1::GenerateResponse* response) {
    sent = request;
    response->set_text("light\xff\x1b[2J\n");
    return grpc::Status::OK;
  };
  const CommandResult result =
      RunAgainst(coordinator, {"generate", "tiny-1", "--prompt", "[--seed, a]", "--max-tokens",
                               "12", "--temperature", "0.5", "--seed", "9"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "[--seed, a]light\\xff\\x1b[2J\n\n");
  EXPECT_EQ(sent.job_id(), "tiny-1");
  EXPECT_EQ(sent.prompt(), "[--seed, a]");
  EXPECT_EQ(sent.max_tokens(), 12u);
  EXPECT_EQ(sent.temperature(), 0.5);
  EXPECT_EQ(sent.seed(), 9u);

  const CommandResult raw =
      RunAgainst(coordinator, {"generate", "tiny-1", "--prompt", "a", "-o", "raw"});
  EXPECT_EQ(raw.out, "light\xff\x1b[2J\n");
}

TEST(Generate, TakesAndGivesIds) {
  ScriptedCoordinator coordinator;
  v1::GenerateRequest sent;
  coordinator.generate = [&](const v1::GenerateRequest& request, v1::GenerateResponse* response) {
    sent = request;
    response->add_tokens(5);
    response->add_tokens(0);
    return grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(
      coordinator,
      {"generate", "tiny-1", "--prompt-tokens", "7,50256", "--top-k", "40", "--top-p", "0.9"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "7,50256,5,0\n");
  EXPECT_THAT(sent.prompt_tokens(), ::testing::ElementsAre(7, 50256));
  EXPECT_EQ(sent.top_k(), 40u);
  EXPECT_EQ(sent.top_p(), 0.9);
  EXPECT_THAT(RunAgainst(coordinator, {"generate", "tiny-1", "--prompt-tokens", "7,x"}).err,
              HasSubstr("\"x\" is no token id"));
  EXPECT_THAT(
      RunAgainst(coordinator, {"generate", "t", "--prompt", "a", "--prompt-tokens", "7"}).err,
      HasSubstr("not both"));
}

TEST(Commands, AServerThatIsNoCoordinatorIsNamed) {
  ScriptedCoordinator coordinator;
  const CommandResult result = RunAgainst(coordinator, {"list"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr(coordinator.address()));
  EXPECT_THAT(result.err, HasSubstr("no paci coordinator"));
}

TEST(Commands, ACoordinatorThatDoesNotAnswerInTimeIsUnreachable) {
  absl::Mutex mutex;
  bool is_over = false;
  ScriptedCoordinator coordinator;
  coordinator.get = [&](const v1::GetJobRequest&, v1::Job*) {
    absl::MutexLock lock(&mutex, absl::Condition(&is_over));
    return grpc::Status::OK;
  };
  const CommandResult result = RunAgainst(coordinator, {"describe", "tiny-1", "--timeout", "0.2"});
  {
    absl::MutexLock lock(&mutex);
    is_over = true;
  }
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("no answer within 200ms"));
}

TEST(Diagnose, AsksForTheJobAndShowsItsAnswer) {
  ScriptedCoordinator coordinator;
  coordinator.diagnose = [](const v1::DiagnoseJobRequest& request, v1::Diagnosis* diagnosis) {
    if (request.job_id() != "tiny-1") return grpc::Status(grpc::StatusCode::NOT_FOUND, "no job");
    diagnosis->set_summary("the pipeline moves");
    diagnosis->add_stages()->set_what("is paused");
    return grpc::Status::OK;
  };
  const CommandResult table = RunAgainst(coordinator, {"diagnose", "tiny-1"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("the pipeline moves\n\nSTAGE"));
  EXPECT_THAT(table.out, HasSubstr("is paused"));
  EXPECT_THAT(RunAgainst(coordinator, {"diagnose", "tiny-1", "-o", "yaml"}).out,
              HasSubstr("summary: \"the pipeline moves\""));
  EXPECT_EQ(RunAgainst(coordinator, {"diagnose", "tiny-2"}).err, "pacictl: no job\n");
}

}  // namespace
}  // namespace paci::cli
