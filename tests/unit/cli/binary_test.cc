// The pacictl binary as a script sees it: exit codes, what is on stdout and what on stderr.

#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "absl/synchronization/notification.h"
#include "cli/commands/commands.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/unit/cli/scripted_coordinator.h"
#include "tests/unit/cli/testdata.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr char kJobFile[] = "tests/unit/cli/testdata/job.yaml";
constexpr char kBadJobFile[] = "tests/unit/cli/testdata/bad_job.yaml";
// Nothing listens on port 1 of this machine.
constexpr char kNobody[] = "127.0.0.1:1";

size_t Lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

void ExpectUsageError(const std::vector<std::string>& args, const std::string& error) {
  const CommandResult result = RunBinary(args);
  EXPECT_EQ(result.code, 2) << testing::PrintToString(args);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "pacictl: " + error + "\n");
}

TEST(Usage, EachMistakeIsOneLineThatSaysWhereHelpIs) {
  ExpectUsageError({}, "say what to do; see pacictl --help");
  ExpectUsageError({"lst"}, "there is no verb 'lst'; see pacictl --help");
  ExpectUsageError({"--bogus"}, "there is no option --bogus; see pacictl --help");
  ExpectUsageError({"list", "--bogus"}, "there is no option --bogus; see pacictl list --help");
  ExpectUsageError({"list", "x"}, "too many arguments: x; see pacictl list --help");
  ExpectUsageError({"describe"}, "JOB is required; see pacictl describe --help");
  ExpectUsageError({"describe", ""}, "JOB is empty; see pacictl describe --help");
  ExpectUsageError({"list", "-o", "csv"},
                   "-o csv: list can print table, json, yaml; see pacictl list --help");
  ExpectUsageError(
      {"list", "--timeout", "0"},
      "--timeout: '0' is no time from 0.001 to 86400 seconds; see pacictl list --help");
  ExpectUsageError({"generate", "a-1", "--prompt", "b", "--seed", "-1"},
                   "--seed: '-1' is no whole number >= 0; see pacictl generate --help");
  ExpectUsageError({"completion", "fish"},
                   "there is no completion for 'fish'; there is one for bash");
  ExpectUsageError({"describe", "\xff"}, "the argument '\\xff' is not UTF-8");
}

TEST(Usage, AnAddressThatIsNoneIsRefusedBeforeDialling) {
  const CommandResult result = RunBinary({"list", "--coordinator", "nowhere"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, StartsWith("pacictl: --coordinator: \"nowhere\" is not HOST:PORT"));
}

TEST(Usage, HelpOfEveryVerbHasItsSummaryAndAnExample) {
  for (const Verb& verb : AllVerbs()) {
    const CommandResult result = RunBinary({verb.name, "--help"});
    EXPECT_EQ(result.code, 0) << verb.name;
    EXPECT_EQ(result.err, "");
    EXPECT_THAT(result.out, StartsWith(verb.summary));
    EXPECT_THAT(result.out, HasSubstr(verb.example.substr(0, verb.example.find('\n'))))
        << verb.name;
    EXPECT_THAT(verb.example, HasSubstr("pacictl " + verb.name));
  }
}

TEST(JobFile, EveryErrorHasALineOfItsOwn) {
  for (const std::string verb : {"validate", "submit"}) {
    const CommandResult result = RunBinary({verb, kBadJobFile, "--set", "train.seed=x"});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("bad_job.yaml:2:20: "));
    EXPECT_THAT(result.err, HasSubstr("did you mean model.hidden?"));
    EXPECT_THAT(result.err, HasSubstr("bad_job.yaml:4:20: pipeline.stages: \"forty\""));
    EXPECT_THAT(result.err, HasSubstr("bad_job.yaml:5:18: train.updates: "));
    EXPECT_THAT(result.err, HasSubstr("pacictl: --set train.seed=x: "));
    EXPECT_GE(Lines(result.err), 4u);
  }
}

TEST(JobFile, AFileThatIsNotThereIsAUsageErrorAndNotAMissingJob) {
  const CommandResult result = RunBinary({"submit", "/nowhere/job.yaml"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/nowhere/job.yaml"));
  EXPECT_EQ(Lines(result.err), 1u);
}

TEST(JobFile, AnOverrideThatIsNoKeyAndValueIsNamed) {
  for (const std::string bad : {"train.updates", "=3", "train.upates=3"}) {
    const CommandResult result = RunBinary({"validate", kJobFile, "--set", bad});
    EXPECT_EQ(result.code, 2) << bad;
    EXPECT_THAT(result.err, HasSubstr("--set " + bad)) << bad;
  }
}

TEST(JobFile, AValidOneIsShownCompleteWithoutACoordinator) {
  const CommandResult result =
      RunBinary({"validate", kJobFile, "--set", "train.updates=77", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const auto spec = nlohmann::json::parse(result.out);
  EXPECT_EQ(spec["train"]["updates"], "77");
  EXPECT_EQ(spec["model"]["vocabulary"], 256);
  EXPECT_EQ(spec["pipeline"]["order"], "ORDER_DRAIN_FIRST");
}

TEST(Unreachable, EveryVerbThatNeedsACoordinatorExitsWithFourAndSaysHowToSetIt) {
  const std::vector<std::vector<std::string>> lines = {{"submit", kJobFile},
                                                       {"submit", kJobFile, "--watch"},
                                                       {"list"},
                                                       {"describe", "a-1"},
                                                       {"watch", "a-1"},
                                                       {"events", "a-1"},
                                                       {"metrics", "a-1"},
                                                       {"events", "a-1", "--follow"},
                                                       {"cancel", "a-1"},
                                                       {"pause", "a-1"},
                                                       {"resume", "a-1"},
                                                       {"delete", "a-1"},
                                                       {"workers"},
                                                       {"drain", "w"},
                                                       {"generate", "a-1", "--prompt", "b"}};
  for (const auto& line : lines) {
    const CommandResult result = RunBinary(line, {std::string("PACI_COORDINATOR=") + kNobody});
    EXPECT_EQ(result.code, 4) << testing::PrintToString(line);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err,
              "pacictl: cannot reach the coordinator at 127.0.0.1:1: connection refused; is it "
              "running? set --coordinator or PACI_COORDINATOR\n");
  }
}

TEST(Unreachable, AProxyForTheWebIsNotAsked) {
  const CommandResult result =
      RunBinary({"list", "--coordinator", kNobody}, {"http_proxy=http://127.0.0.1:2", "no_proxy="});
  EXPECT_EQ(result.code, 4);
  EXPECT_THAT(result.err, HasSubstr("connection refused"));
}

TEST(Unreachable, VersionStillHasItsOwn) {
  const CommandResult text = RunBinary({"version", "--coordinator", kNobody});
  EXPECT_EQ(text.code, 0);
  EXPECT_THAT(text.out, HasSubstr("cannot reach the coordinator at 127.0.0.1:1"));
  const CommandResult json = RunBinary({"version", "--coordinator", kNobody, "-o", "json"});
  const auto document = nlohmann::json::parse(json.out);
  EXPECT_TRUE(document["client"]["version"].is_string());
  EXPECT_FALSE(document.contains("server"));
}

TEST(Precedence, TheFlagBeatsTheEnvironment) {
  const CommandResult result = RunBinary({"--coordinator", "127.0.0.1:3", "list"},
                                         {std::string("PACI_COORDINATOR=") + kNobody});
  EXPECT_THAT(result.err, HasSubstr("127.0.0.1:3"));
}

TEST(CtrlC, StopsWatchingAndNotTheJob) {
  for (const int signal : {SIGINT, SIGTERM}) {
    absl::Notification is_watched;
    absl::Notification is_gone;
    ScriptedCoordinator coordinator;
    coordinator.get = [](const v1::GetJobRequest&, v1::Job* job) {
      *job = Read<v1::Job>("job_running");
      return grpc::Status::OK;
    };
    coordinator.watch = [&](const v1::WatchJobRequest&, grpc::ServerContext* context,
                            ScriptedCoordinator::JobWriter* writer) {
      writer->Write(Read<v1::Job>("job_running"));
      is_watched.Notify();
      is_gone.WaitForNotification();
      // The server learns of it in its own time, and then no write succeeds.
      while (writer->Write(Read<v1::Job>("job_running"))) {
      }
      EXPECT_TRUE(context->IsCancelled());
      return grpc::Status::CANCELLED;
    };
    Process watch("pacictl", {"watch", "tiny-1", "--coordinator", coordinator.address()});
    is_watched.WaitForNotification();
    watch.Signal(signal);
    const CommandResult result = watch.Wait();
    is_gone.Notify();
    EXPECT_EQ(result.code, 130);
    EXPECT_EQ(
        result.err,
        "pacictl: stopped watching; job tiny-1 goes on (to stop it: pacictl cancel tiny-1)\n");
  }
}

TEST(Output, AFullDiskIsAnError) {
  const int code = std::system("\"$PACI_BIN\"/pacictl --help > /dev/full 2> /dev/null");
  EXPECT_EQ(WEXITSTATUS(code), 1);
}

}  // namespace
}  // namespace paci::cli
