// Ports, stores and names that are taken, peers that are not there, and strangers at the door.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/sockets.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Taken, APortIsAnErrorThatNamesIt) {
  LocalCluster cluster;
  const std::string store = cluster.folder().path() + "/other.db";
  const CommandResult listen =
      Process("paci-coordinator",
              {"--insecure", "--listen", cluster.rpc_address(), "--store", store})
          .Wait();
  EXPECT_EQ(listen.code, 1);
  EXPECT_EQ(listen.err, absl::StrCat("paci-coordinator: cannot listen on ", cluster.rpc_address(),
                                     ": Address already in use\n"));
  const CommandResult metrics =
      Process("paci-coordinator", {"--insecure", "--listen", "127.0.0.1:0", "--metrics",
                                   cluster.metrics_address(), "--store", store})
          .Wait();
  EXPECT_EQ(metrics.code, 1);
  EXPECT_THAT(metrics.err,
              AllOf(StartsWith("paci-coordinator: "), HasSubstr(cluster.metrics_address())));

  for (const char* flag : {"--data-listen", "--metrics"}) {
    const CommandResult worker = Process("paci-worker", {"--coordinator", cluster.rpc_address(),
                                                         flag, cluster.rpc_address()})
                                     .Wait();
    EXPECT_EQ(worker.code, 1) << flag;
    EXPECT_THAT(worker.err, AllOf(StartsWith("paci-worker: "), HasSubstr(cluster.rpc_address())));
  }
}

// The names that stand behind `opening` at the start of a line's text.
std::set<std::string> FlagsIn(const std::string& text, const std::string& opening) {
  std::set<std::string> flags;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (!absl::ConsumePrefix(&line, opening)) continue;
    const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz-");
    flags.emplace(line.substr(0, end));
  }
  return flags;
}

TEST(Flags, AreThoseOfTheirDocument) {
  std::ifstream file("docs/daemons.md");
  const std::string document(std::istreambuf_iterator<char>(file), {});
  const size_t worker = document.find("## paci-worker");
  ASSERT_NE(worker, std::string::npos);
  for (const auto& [binary, text] : {std::pair("paci-coordinator", document.substr(0, worker)),
                                     std::pair("paci-worker", document.substr(worker))}) {
    std::set<std::string> flags = FlagsIn(Process(binary, {"--help"}).Wait().out, "--");
    flags.erase("version");
    flags.erase("config");
    EXPECT_EQ(FlagsIn(text, "| `--"), flags) << binary;
  }
}

TEST(Flags, ThatCannotBeRightAreUsageErrors) {
  const TestFolder folder;
  const std::string store = folder.path() + "/store.db";
  const std::vector<std::vector<std::string>> lines = {
      {"paci-worker", "--coordinator", "foo"},
      {"paci-worker", "--name", ""},
      {"paci-worker", "--threads", "100000"},
      {"paci-worker", "--drain-seconds", "nan"},
      {"paci-worker", "--data-advertise", "bad host"},
      {"paci-coordinator", "--insecure", "--store", store, "--listen", "127.0.0.1:0",
       "--lease-seconds", "nan"},
      {"paci-coordinator", "--insecure", "--store", "", "--listen", "127.0.0.1:0"},
      {"paci-coordinator", "--insecure", "--store", ":memory:", "--listen", "127.0.0.1:0"},
  };
  for (const std::vector<std::string>& line : lines) {
    const CommandResult result =
        Process(line[0], std::vector<std::string>(line.begin() + 1, line.end())).Wait();
    EXPECT_EQ(result.code, 2) << testing::PrintToString(line) << result.err;
    EXPECT_NE(result.err, "") << testing::PrintToString(line);
  }
}

TEST(Taken, AStoreIsAnErrorThatNamesItsHolder) {
  LocalCluster cluster;
  const CommandResult second =
      Process("paci-coordinator", {"--insecure", "--listen", "127.0.0.1:0", "--store",
                                   cluster.folder().path() + "/store.db"})
          .Wait();
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, AllOf(HasSubstr("store.db"), HasSubstr("process ")));
  EXPECT_EQ(cluster.Pacictl({"list"}).code, 0) << "the first is not disturbed";
}

TEST(Taken, ANameIsSharedByTwoWorkersThatBothServe) {
  LocalCluster cluster({.workers = 1});
  // Two processes of the name "w0".
  Process twin("paci-worker", {"--coordinator", cluster.rpc_address(), "--name", "w0"});
  Poll("both are connected", [&] { return cluster.Workers().size() == 2; });
  const std::string id = cluster.Submit(WriteRealJob(cluster.folder()), {});
  EXPECT_EQ(Losses(cluster.AwaitCompletion(id)).size(), 40);

  const CommandResult ambiguous = cluster.Pacictl({"drain", "w0"});
  EXPECT_EQ(ambiguous.code, 1);
  EXPECT_THAT(ambiguous.err, HasSubstr("more than one worker is called w0"));
  for (const v1::Worker& worker : cluster.Workers()) {
    EXPECT_EQ(cluster.Pacictl({"drain", worker.id()}).code, 0);
  }
  EXPECT_EQ(twin.Wait().code, 0);
  cluster.ExpectEnd("w0");
}

TEST(Unreachable, AWorkerDialsUntilThereIsACoordinator) {
  LocalCluster cluster;
  cluster.KillCoordinator();
  Process& worker = cluster.StartWorker("early");
  Poll("it dialled in vain", [&] {
    return worker.err().find("cannot be reached") != std::string::npos || !worker.IsRunning();
  });
  EXPECT_EQ(cluster.Pacictl({"workers"}).code, 4);
  cluster.StartCoordinator();
  cluster.AwaitWorker("early", v1::WORKER_STATE_IDLE);
}

TEST(Unreachable, AWorkerWithoutACoordinatorEndsOnSigterm) {
  LocalCluster cluster;
  cluster.KillCoordinator();
  Process& worker = cluster.StartWorker("lonely");
  Poll("it dialled in vain", [&] {
    return worker.err().find("cannot be reached") != std::string::npos || !worker.IsRunning();
  });
  worker.Signal(SIGTERM);
  EXPECT_EQ(worker.Wait().code, 0);
}

TEST(Strangers, AtThePortsOfWorkersAndCoordinatorChangeNothing) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteRealJob(cluster.folder());
  const std::vector<std::string> strict = {"pipeline.order=strict", "train.updates=200",
                                           "train.eval_every=0"};
  const std::vector<double> losses =
      Losses(cluster.AwaitCompletion(cluster.Submit(job_file, strict)));

  std::vector<std::string> doors = {cluster.rpc_address(), cluster.metrics_address()};
  for (const v1::Worker& worker : cluster.Workers()) {
    doors.push_back(worker.info().data_address());
    doors.push_back(worker.info().metrics_address());
  }
  const std::vector<std::string> sayings = {
      "",                        // nothing, and stays
      std::string(1, '\0'),      // a beginning, and stays
      std::string(300, '\xff'),  // the largest number wherever a length may be
      SomeText(100000),          // garbage
      "GET / HTTP/1.1\r\n\r\n",  // another protocol
      std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\xff\xff\xff\xff", 33)};
  const std::string id = cluster.Submit(job_file, strict);
  std::vector<std::unique_ptr<Socket>> strangers;
  for (const std::string& door : doors) {
    for (const std::string& saying : sayings) {
      strangers.push_back(std::make_unique<Socket>(door));
      strangers.back()->Send(saying);
    }
  }
  EXPECT_EQ(Losses(cluster.AwaitCompletion(id)), losses);
  // Those at the first door of a worker are shown out, however long they stay.
  Socket stranger(doors[2]);
  stranger.Send(sayings[2]);
  stranger.ReadToEnd();
  cluster.EndInOrder();
}

}  // namespace
}  // namespace paci
