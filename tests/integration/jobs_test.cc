// Several jobs on a few workers, and the verbs that change a job or a worker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Jobs, WaitInTheirOrderAndTheNextRunsWhenOneEnds) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const std::string first = cluster.Submit(job_file, {"name=first"});
  cluster.AwaitUpdates(first, 1);
  const std::string second = cluster.Submit(job_file, {"name=second"});
  const std::string third = cluster.Submit(job_file, {"name=third", "pipeline.stages=1"});
  EXPECT_EQ(cluster.Get(second).reason(), "needs 2 workers, 0 are free");
  EXPECT_EQ(cluster.Get(third).reason(), "waits behind job second-2");

  EXPECT_EQ(cluster.Pacictl({"cancel", first}).code, 0);
  cluster.AwaitUpdates(second, 1);
  EXPECT_EQ(cluster.Get(third).state(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(cluster.Pacictl({"cancel", second}).code, 0);
  cluster.AwaitUpdates(third, 1);
  EXPECT_EQ(cluster.Get(first).state(), v1::JOB_STATE_CANCELLED);
}

TEST(Jobs, TwoRunAtOnceWhenThereAreWorkersForBoth) {
  LocalCluster cluster({.workers = 3});
  const std::string emulated = cluster.Submit(WriteEmulatedJob(cluster.folder()), {});
  cluster.AwaitUpdates(emulated, 1);
  const std::string real = cluster.Submit(WriteRealJob(cluster.folder()), {"pipeline.stages=1"});
  EXPECT_EQ(Losses(cluster.AwaitCompletion(real)).size(), 40);
  const uint64_t updates = cluster.Get(emulated).progress().updates();
  EXPECT_EQ(cluster.AwaitUpdates(emulated, updates + 2).state(), v1::JOB_STATE_RUNNING);
}

TEST(Jobs, AreCancelledWhetherPendingRunningOrPausedAndTheirWorkersAreFree) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const auto expect_cancelled = [&](const std::string& id) {
    EXPECT_EQ(cluster.PacictlJson({"cancel", id})["state"], "JOB_STATE_CANCELLED");
    EXPECT_EQ(cluster.Pacictl({"watch", id}).code, 1);
    cluster.AwaitWorker("w0", v1::WORKER_STATE_IDLE);
    cluster.AwaitWorker("w1", v1::WORKER_STATE_IDLE);
  };
  expect_cancelled(cluster.Submit(job_file, {"pipeline.stages=3"}));
  const std::string running = cluster.Submit(job_file, {});
  cluster.AwaitUpdates(running, 1);
  expect_cancelled(running);
  const std::string paused = cluster.Submit(job_file, {});
  cluster.AwaitUpdates(paused, 1);
  EXPECT_EQ(cluster.Pacictl({"pause", paused}).code, 0);
  cluster.AwaitState(paused, v1::JOB_STATE_PAUSED);
  expect_cancelled(paused);
}

TEST(Jobs, AFlushJobThatWasPausedGoesOnToTheLossesOfOneThatWasNot) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteRealJob(cluster.folder());
  const std::vector<std::string> settings = {"pipeline.schedule=1f1b", "train.updates=300",
                                             "train.eval_every=0"};
  const std::vector<double> losses =
      Losses(cluster.AwaitCompletion(cluster.Submit(job_file, settings)));
  const std::string id = cluster.Submit(job_file, settings);
  cluster.AwaitUpdates(id, 5);
  const v1::Job paused = cluster.Pause(id);
  EXPECT_LT(paused.progress().updates(), 300);
  for (const v1::StageStatus& stage : paused.stages()) {
    EXPECT_EQ(stage.updates(), paused.progress().updates());
    EXPECT_EQ(stage.backwards(), 4 * paused.progress().updates());
    EXPECT_EQ(stage.in_flight(), 0);
  }
  EXPECT_EQ(cluster.Pacictl({"resume", id}).code, 0);
  EXPECT_EQ(Losses(cluster.AwaitCompletion(id)), losses);
}

TEST(Jobs, AreDeletedOnceTheyHaveEndedAndNotBefore) {
  LocalCluster cluster({.workers = 1});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {"pipeline.stages=1"});
  const CommandResult refused = cluster.Pacictl({"delete", id});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, HasSubstr("cancel it first"));
  EXPECT_EQ(cluster.Pacictl({"cancel", id}).code, 0);
  EXPECT_EQ(cluster.Pacictl({"delete", id}).code, 0);
  EXPECT_EQ(cluster.Pacictl({"describe", id}).code, 3);
  EXPECT_EQ(cluster.PacictlJson({"list"})["jobs"].size(), 0);
}

TEST(Drain, ABusyWorkerFinishesItsStageAndAnIdleOneLeavesAtOnce) {
  LocalCluster cluster({.workers = 2});
  const std::string id =
      cluster.Submit(WriteEmulatedJob(cluster.folder()), {"pipeline.stages=1", "train.updates=30"});
  cluster.AwaitUpdates(id, 1);
  EXPECT_EQ(cluster.PacictlJson({"drain", "w0"})["state"], "WORKER_STATE_DRAINING");
  EXPECT_EQ(cluster.Pacictl({"drain", "w1"}).code, 0);
  cluster.ExpectEnd("w1");
  EXPECT_EQ(cluster.AwaitCompletion(id).size(), 30);
  cluster.ExpectEnd("w0");
  Poll("the workers are forgotten", [&] { return cluster.Workers().empty(); });
}

TEST(Leaving, OneSigtermCostsNoJobWhateverItsState) {
  LocalCluster cluster({.workers = 3});
  const std::string id =
      cluster.Submit(WriteRealJob(cluster.folder()), {"pipeline.partition_by=measured"});
  // Its layers are being measured; the stage goes to another worker.
  cluster.worker("w0").Signal(SIGTERM);
  EXPECT_EQ(Losses(cluster.AwaitCompletion(id)).size(), 40);
  cluster.ExpectEnd("w0");
}

TEST(Leaving, ASecondSigtermEndsAWorkerAtOnceAndTheJobSaysWhy) {
  LocalCluster cluster({.workers = 2, .lease_seconds = 3});
  const std::string id =
      cluster.Submit(WriteEmulatedJob(cluster.folder()), {"recovery.max_restarts=0"});
  cluster.AwaitUpdates(id, 1);
  cluster.worker("w1").Signal(SIGTERM);
  cluster.AwaitWorker("w1", v1::WORKER_STATE_DRAINING);
  cluster.worker("w1").Signal(SIGTERM);
  cluster.ExpectEnd("w1");
  EXPECT_THAT(cluster.AwaitState(id, v1::JOB_STATE_FAILED).reason(),
              AllOf(HasSubstr("stage 1 on worker w1"), HasSubstr("was sent SIGTERM")));
}

TEST(Jobs, TrainOnSeveralPathsByTheirWeights) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteRealJob(cluster.folder());
  const std::string other = cluster.folder().Write("other.txt", std::string(5000, 'z'));
  const std::string train = cluster.folder().path() + "/train.txt";
  const std::string id = cluster.Submit(
      job_file, {absl::StrCat("data.train=[", train, ",", other, "]"), "data.weights=[2,1]"});
  cluster.AwaitCompletion(id);
  const v1::Job job = cluster.Get(id);
  EXPECT_EQ(job.stages(0).training_data().files(), 2u);
  EXPECT_EQ(job.stages(0).training_data().tokens(), 25000u);
}

}  // namespace
}  // namespace paci
