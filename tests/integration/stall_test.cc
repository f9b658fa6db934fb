// A stage whose thread hangs while its worker goes on talking, and updates that are poisoned.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/integration/hung_thread.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::HasSubstr;

constexpr char kStageThread[] = "paci-stage";

// Three stages in an order that gives the same bits every time.
std::string SubmitJob(const LocalCluster& cluster, const std::string& stall) {
  return cluster.Submit(
      WriteRealJob(cluster.folder()),
      {absl::StrCat("checkpoint.dir=", cluster.folder().path(), "/checkpoints"),
       "checkpoint.every=20", "train.updates=160", "pipeline.stages=3", "pipeline.order=strict",
       "model.dropout=0.1", absl::StrCat("recovery.stall_seconds=", stall)});
}

struct Outcome {
  std::vector<double> losses;
  nlohmann::json files;  // of the last checkpoint: names, sizes, checksums

  bool operator==(const Outcome&) const = default;
};

Outcome OutcomeOf(const LocalCluster& cluster, const std::string& id) {
  Outcome outcome{Losses(cluster.AwaitCompletion(id)), {}};
  std::ifstream manifest(cluster.Get(id).checkpoint() + "/manifest.json");
  outcome.files = nlohmann::json::parse(manifest)["files"];
  return outcome;
}

Outcome Undisturbed() {
  const LocalCluster cluster({.workers = 3});
  return OutcomeOf(cluster, SubmitJob(cluster, "0s"));
}

void AwaitCheckpoint(const LocalCluster& cluster, const std::string& id) {
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
}

// The reasons of a job's events of one type, a line each.
std::string Reasons(const LocalCluster& cluster, const std::string& id, const std::string& type) {
  std::string reasons;
  const nlohmann::json listed = cluster.PacictlJson({"events", id});
  for (const auto& event : listed["events"]) {
    if (event["type"] == type) absl::StrAppend(&reasons, std::string(event["reason"]), "\n");
  }
  return reasons;
}

TEST(Stall, AHungStageIsReplacedByAStandbyAndItsWorkerIsNotFreeWhileItHangs) {
  const Outcome undisturbed = Undisturbed();
  for (const int stage : {0, 1, 2}) {
    SCOPED_TRACE(stage);
    LocalCluster cluster({.workers = 4});
    const std::string id = SubmitJob(cluster, "2s");
    AwaitCheckpoint(cluster, id);
    const std::string worker = absl::StrCat("w", stage);
    HungThread hung(cluster.worker(worker).pid(), kStageThread);
    EXPECT_EQ(OutcomeOf(cluster, id), undisturbed);
    const std::string name = absl::StrCat("stage ", stage, " on worker ", worker);
    EXPECT_THAT(Reasons(cluster, id, "Stalled"), HasSubstr(": " + name));
    EXPECT_THAT(Reasons(cluster, id, "StageFailed"), HasSubstr(name + " stands still: it "));
    EXPECT_EQ(cluster.AwaitWorker(worker, v1::WORKER_STATE_BUSY).job_id(), id);
    hung.Release();
    cluster.AwaitWorker(worker, v1::WORKER_STATE_IDLE);
  }
}

TEST(Stall, DiagnoseNamesTheStageThatHangsAndItGoesOnWhenTheStageDoes) {
  LocalCluster cluster({.workers = 3});
  const std::string id = SubmitJob(cluster, "0s");
  AwaitCheckpoint(cluster, id);
  HungThread hung(cluster.worker("w1").pid(), kStageThread);
  nlohmann::json diagnosis;
  Poll("stage 1 is the cause", [&] {
    diagnosis = cluster.PacictlJson({"diagnose", id});
    return diagnosis.value("cause", -1) == 1;
  });
  EXPECT_THAT(cluster.Pacictl({"diagnose", id}).out, testing::StartsWith("stage 1 on worker w1"));
  hung.Release();
  EXPECT_EQ(OutcomeOf(cluster, id), Undisturbed());
  EXPECT_EQ(cluster.Get(id).generation(), 1);
}

TEST(Poison, TooManySkippedUpdatesInARowPauseTheJobAndSayWhereItBegan) {
  const LocalCluster cluster({.workers = 3});
  const std::string id = cluster.Submit(
      WriteRealJob(cluster.folder()),
      {"pipeline.stages=3", "optimizer.lr=1e38", "optimizer.warmup_updates=0",
       "train.updates=1000000", "train.eval_every=0", "recovery.max_skipped_updates=3"});
  const v1::Job paused = cluster.AwaitState(id, v1::JOB_STATE_PAUSED);
  const std::string skipped = Reasons(cluster, id, "UpdateSkipped");
  EXPECT_THAT(skipped, HasSubstr("stage 0 on worker w0, update "));
  EXPECT_THAT(skipped, HasSubstr(" is not finite, its input was; it skipped the update"));
  EXPECT_THAT(skipped, testing::Not(HasSubstr("came so")));
  EXPECT_THAT(Reasons(cluster, id, "Pausing"), HasSubstr("recovery.max_skipped_updates is 3: "));
  // As many again.
  EXPECT_EQ(cluster.Pacictl({"resume", id}).code, 0);
  cluster.Await(id, [&](const v1::Job& job) {
    return job.state() == v1::JOB_STATE_PAUSED &&
           job.progress().updates() > paused.progress().updates() + 3;
  });
}

}  // namespace
}  // namespace paci
