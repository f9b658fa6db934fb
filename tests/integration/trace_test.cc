// `pacictl trace` of running jobs, and plans with what their workers measured.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/support/trace_rules.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Json = nlohmann::json;

// What one stage did, in the words of the document: the names of its rows and slices.
struct StageRows {
  struct Slice {
    std::string name;
    double begin;  // us
    double end;
  };
  std::map<std::string, std::vector<Slice>> rows;  // by name of the row, in order of time

  std::optional<Slice> Find(const std::string& row, const std::string& name) const {
    const auto found = rows.find(row);
    if (found == rows.end()) return std::nullopt;
    for (const Slice& slice : found->second) {
      if (slice.name == name) return slice;
    }
    return std::nullopt;
  }
  // The numbers behind a letter in the compute row.
  std::vector<int64_t> Indices(char letter) const {
    std::vector<int64_t> indices;
    for (const Slice& slice : rows.at("compute")) {
      int64_t index = 0;
      if (slice.name[0] == letter && absl::SimpleAtoi(slice.name.substr(1), &index)) {
        indices.push_back(index);
      }
    }
    return indices;
  }
};

std::map<int64_t, StageRows> RowsOf(const Json& document) {
  std::map<std::pair<int64_t, int64_t>, std::string> names;
  std::map<int64_t, StageRows> stages;
  for (const Json& event : document["traceEvents"]) {
    const std::pair<int64_t, int64_t> row{event["pid"], event["tid"]};
    if (event["name"] == "thread_name") names[row] = event["args"]["name"];
    if (event["ph"] != "X" && event["ph"] != "i") continue;
    const double begin = event["ts"];
    stages[row.first].rows[names.at(row)].push_back(
        {event["name"], begin, begin + event.value("dur", 0.0)});
  }
  return stages;
}

void ExpectConsecutive(const std::vector<int64_t>& indices) {
  for (size_t i = 1; i < indices.size(); ++i) EXPECT_EQ(indices[i], indices[i - 1] + 1);
}

// Forwards, backwards and updates come in their order, an update follows `accumulation` backwards,
// and no forward is further ahead of the backwards than the stage may be.
void ExpectLegalOrder(const StageRows& stage, int64_t accumulation, int64_t cap) {
  for (const char letter : {'F', 'B', 'S'}) {
    EXPECT_GE(stage.Indices(letter).size(), 2u) << letter;
    ExpectConsecutive(stage.Indices(letter));
  }
  int64_t backward = -1;
  for (const StageRows::Slice& slice : stage.rows.at("compute")) {
    int64_t index = 0;
    if (!absl::SimpleAtoi(slice.name.substr(1), &index)) continue;
    if (slice.name[0] == 'B') backward = index;
    if (backward < 0) continue;
    if (slice.name[0] == 'F') {
      EXPECT_LE(index, backward + cap) << slice.name;
    }
    if (slice.name[0] == 'S') {
      EXPECT_EQ(backward + 1, (index + 1) * accumulation);
    }
  }
}

// Of the frames that both ends saw: none arrives before it left, nor is used before it arrived, by
// more than `error`. How many there are.
int ExpectCausality(const StageRows& from, const StageRows& to, const std::string& frame,
                    const std::string& sends, char action, double error) {
  int seen = 0;
  for (const StageRows::Slice& sent : from.rows.at(sends)) {
    if (sent.name.rfind(frame, 0) != 0) continue;
    const auto arrived = to.Find("receives", sent.name);
    if (!arrived) continue;
    ++seen;
    EXPECT_GE(arrived->begin, sent.begin - error) << sent.name;
    const auto used = to.Find("compute", action + sent.name.substr(frame.size()));
    if (used) {
      EXPECT_GE(used->begin, arrived->begin) << sent.name;
    }
  }
  return seen;
}

Json TraceOf(const LocalCluster& cluster, const std::string& id,
             const std::vector<std::string>& options) {
  std::vector<std::string> args = {"trace", id};
  args.insert(args.end(), options.begin(), options.end());
  const CommandResult result = cluster.Pacictl(args);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  const Json document = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(BrokenTraceRule(document), "");
  return document;
}

void ExpectTraceOfPipeline(const Json& document, const v1::Job& job) {
  const int stages = job.stages_size();
  const int64_t accumulation = job.spec().pipeline().accumulation();
  double error = 0;
  ASSERT_TRUE(absl::SimpleAtod(document["otherData"]["clock_error_us"].get<std::string>(), &error));
  EXPECT_GT(error, 0);
  const std::map<int64_t, StageRows> rows = RowsOf(document);
  ASSERT_EQ(rows.size(), static_cast<size_t>(stages));
  for (int i = 0; i < stages; ++i) {
    SCOPED_TRACE(absl::StrCat("stage ", i));
    ExpectLegalOrder(rows.at(i), accumulation, job.stages(i).in_flight_cap());
    if (i == 0) continue;
    EXPECT_GT(
        ExpectCausality(rows.at(i - 1), rows.at(i), "activation ", "sends activations", 'F', error),
        0);
    EXPECT_GT(
        ExpectCausality(rows.at(i), rows.at(i - 1), "gradient ", "sends gradients", 'B', error), 0);
  }
}

TEST(Trace, ShowsWhatEveryStageDoesOnOneClock) {
  LocalCluster cluster({.workers = 3});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {"pipeline.stages=3"});
  cluster.AwaitUpdates(id, 1);
  const Json document = TraceOf(cluster, id, {"--updates", "3"});
  ExpectTraceOfPipeline(document, cluster.Get(id));
  for (const auto& [stage, rows] : RowsOf(document)) {
    EXPECT_GE(rows.Indices('S').size(), 3u);
    EXPECT_LE(rows.Indices('S').size(), 4u) << "the one at hand, and three";
  }
  // Of the same job again, by time.
  EXPECT_EQ(RowsOf(TraceOf(cluster, id, {"--for", "200ms"})).size(), 3u);
  EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_RUNNING);
}

TEST(Trace, ShowsRealStagesWithBothHalvesOfTheirBackwards) {
  LocalCluster cluster({.workers = 2});
  const std::string id =
      cluster.Submit(WriteRealJob(cluster.folder()),
                     {"train.updates=100000", "train.eval_every=10", "pipeline.schedule=zb-h1"});
  cluster.AwaitUpdates(id, 1);
  const Json document = TraceOf(cluster, id, {"--updates", "20"});
  ExpectTraceOfPipeline(document, cluster.Get(id));
  for (const auto& [stage, rows] : RowsOf(document)) {
    EXPECT_GE(rows.Indices('W').size(), 80u);
    ExpectConsecutive(rows.Indices('W'));
    EXPECT_GE(rows.Indices('E').size(), 2u);
  }
}

TEST(Trace, AWorkerThatDoesNotAnswerIsNamedAndTheOthersAreShown) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {});
  const v1::Job job = cluster.AwaitUpdates(id, 1);
  const std::string silent = job.stages(1).worker_name();
  cluster.worker(silent).Signal(SIGSTOP);
  const CommandResult result = cluster.Pacictl({"trace", id, "--for", "100ms"});
  cluster.worker(silent).Signal(SIGCONT);
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, HasSubstr("the trace lacks 1 of 2 stages\n"));
  EXPECT_THAT(result.err, HasSubstr(absl::StrCat("stage 1 on ", silent, ": its worker did not ")));
  const Json document = Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(BrokenTraceRule(document), "");
  const std::map<int64_t, StageRows> rows = RowsOf(document);
  EXPECT_EQ(rows.count(1), 0u);
  // The other waits for it, since before the window and beyond it.
  EXPECT_THAT(rows.at(0).rows.at("compute").back().name,
              AllOf(HasSubstr("wait for gradient "), HasSubstr(" (goes on)")));
  // Nothing of it is left behind.
  cluster.AwaitUpdates(id, cluster.Get(id).progress().updates() + 5);
  ExpectTraceOfPipeline(TraceOf(cluster, id, {}), cluster.Get(id));
}

TEST(Trace, IsRefusedWithWhatWouldBeRight) {
  LocalCluster cluster({.workers = 1});
  EXPECT_EQ(cluster.Pacictl({"trace", "nobody-1"}).code, 3);
  const auto expect_refused = [&](const std::string& id, const std::string& error) {
    const CommandResult result = cluster.Pacictl({"trace", id});
    EXPECT_EQ(result.code, 1);
    EXPECT_THAT(result.err, HasSubstr(error));
  };
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const std::string running = cluster.Submit(job_file, {"pipeline.stages=1"});
  cluster.AwaitUpdates(running, 1);
  expect_refused(cluster.Submit(job_file, {}), " is Pending: only a job that is Running");
  const CommandResult too_long = cluster.Pacictl({"trace", running, "--for", "61s"});
  EXPECT_EQ(too_long.code, 2);
  EXPECT_THAT(too_long.err, HasSubstr("expected at most 60"));
  EXPECT_EQ(cluster.Pacictl({"pause", running}).code, 0);
  cluster.AwaitState(running, v1::JOB_STATE_PAUSED);
  expect_refused(running, " is Paused: only a job that is Running can be traced; resume it first");
  EXPECT_EQ(cluster.Pacictl({"cancel", running}).code, 0);
  expect_refused(running, " is Cancelled: it has ended");
}

TEST(Trace, IsLostWithTheCoordinatorAndCanBeTakenAgain) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {});
  const v1::Job before = cluster.AwaitUpdates(id, 1);
  std::unique_ptr<Process> trace;
  // The trace that asks may be the one that is taken, and the other is refused: then once more.
  Poll("the trace is being taken", [&] {
    if (trace == nullptr || !trace->IsRunning()) {
      trace = std::make_unique<Process>(
          "pacictl", std::vector<std::string>{"trace", id, "--for", "60s", "--coordinator",
                                              cluster.rpc_address()});
    }
    return cluster.Pacictl({"trace", id}).err.find("is being traced already") != std::string::npos;
  });
  cluster.KillCoordinator();
  const CommandResult lost = trace->Wait();
  EXPECT_EQ(lost.code, 4);
  EXPECT_EQ(lost.out, "");
  EXPECT_THAT(lost.err, HasSubstr("the trace is lost, the job goes on"));

  cluster.StartCoordinator();
  cluster.Await(id, [&](const v1::Job& job) {
    return job.progress().updates() > before.progress().updates() &&
           job.stages(0).state() == v1::STAGE_STATE_RUNNING &&
           job.stages(1).state() == v1::STAGE_STATE_RUNNING;
  });
  ExpectTraceOfPipeline(TraceOf(cluster, id, {}), cluster.Get(id));
}

TEST(Plan, TakesTheSecondsThatTheWorkersOfAJobMeasured) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const std::string id = cluster.Submit(job_file, {"train.updates=20"});
  cluster.AwaitState(id, v1::JOB_STATE_COMPLETED);
  const Json own = cluster.PacictlJson({"plan", "--measured-by", id, "--schedules", "paci,1f1b"});
  EXPECT_EQ(own["costs"],
            absl::StrCat("seconds that the workers of job ", id, " measured over 20 updates"));
  EXPECT_EQ(own["choices"].size(), 2u);
  EXPECT_EQ(own["recommended"]["stages"], 2);
  // Emulated stages sleep at least as long as they are told: 5 ms a micro-batch of 8 tokens.
  EXPECT_LE(own["choices"][0]["tokens_per_second"].get<double>(), 8 / 0.005);
  const Json of_file = cluster.PacictlJson(
      {"plan", job_file, "--measured-by", id, "--schedules", "paci", "--stages", "1,2,4"});
  EXPECT_EQ(of_file["choices"].size(), 3u);
}

}  // namespace
}  // namespace paci
