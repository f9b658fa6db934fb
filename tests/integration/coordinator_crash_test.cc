// A coordinator that is killed: training does not stop, and nothing is lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/sockets.h"

namespace paci {
namespace {

using testing::Contains;

// Points of training are there for every update, once.
void ExpectEveryUpdateOnce(const std::vector<v1::MetricPoint>& points, uint64_t updates) {
  std::vector<uint64_t> seen;
  std::vector<uint64_t> all;
  for (const v1::MetricPoint& point : points) {
    if (point.has_learning_rate()) seen.push_back(point.update());
  }
  for (uint64_t update = 1; update <= updates; ++update) all.push_back(update);
  EXPECT_EQ(seen, all);
}

TEST(CoordinatorCrash, TrainingGoesOnWithoutACoordinatorAndNoUpdateIsLost) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {"train.updates=400"});
  const v1::Job before = cluster.AwaitUpdates(id, 5);
  const v1::Worker worker = cluster.Workers()[0];
  const std::string metrics = worker.info().metrics_address();
  const std::string series =
      absl::StrCat("paci_updates_total{job=\"", id, "\",stage=\"", worker.stage(), "\"}");
  cluster.KillCoordinator();
  const double at_kill = Sample(HttpGet(metrics, "/metrics"), series);
  Poll("ten updates without a coordinator",
       [&] { return Sample(HttpGet(metrics, "/metrics"), series) >= at_kill + 10; });

  cluster.StartCoordinator();
  EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_RUNNING);
  const v1::Job after = cluster.Await(id, [](const v1::Job& job) {
    return job.stages(0).state() == v1::STAGE_STATE_RUNNING &&
           job.stages(1).state() == v1::STAGE_STATE_RUNNING;
  });
  EXPECT_EQ(after.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(after.generation(), before.generation());
  EXPECT_GE(after.progress().updates(), at_kill + 10);
  ExpectEveryUpdateOnce(cluster.AwaitCompletion(id), 400);
}

TEST(CoordinatorCrash, FiveAtRandomMomentsLoseNothing) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  std::mt19937 random(seed);
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteRealJob(cluster.folder());
  const std::vector<std::string> settings = {"pipeline.order=strict", "train.updates=500",
                                             "train.eval_every=100"};
  const std::vector<v1::MetricPoint> undisturbed =
      cluster.AwaitCompletion(cluster.Submit(job_file, settings));
  const std::string id = cluster.Submit(job_file, settings);
  for (int crash = 1; crash <= 5; ++crash) {
    cluster.AwaitUpdates(id, crash * 80 - random() % 40);
    absl::SleepFor(absl::Microseconds(random() % 30000));  // the random moment
    cluster.KillCoordinator();
    cluster.StartCoordinator();
  }
  const std::vector<v1::MetricPoint> points = cluster.AwaitCompletion(id);
  ExpectEveryUpdateOnce(points, 500);
  EXPECT_EQ(points.size(), undisturbed.size());
  EXPECT_EQ(Losses(points), Losses(undisturbed));
  EXPECT_EQ(cluster.Get(id).generation(), 1);
}

TEST(CoordinatorCrash, APendingJobIsStillPendingAndRunsWhenThereAreWorkers) {
  LocalCluster cluster({.workers = 1});
  const std::string id = cluster.Submit(WriteRealJob(cluster.folder()), {});
  EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_PENDING);
  cluster.KillCoordinator();
  cluster.StartCoordinator();
  cluster.AwaitWorker("w0", v1::WORKER_STATE_IDLE);
  EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(cluster.Get(id).reason(), "needs 2 workers, 1 is free and 1 connected");
  cluster.StartWorker("w1");
  ExpectEveryUpdateOnce(cluster.AwaitCompletion(id), 40);
}

TEST(CoordinatorCrash, AJobThatWasBeingPlacedOrPreparedIsPlacedAnew) {
  LocalCluster cluster({.workers = 2});
  const std::string job_file = WriteRealJob(cluster.folder());
  // A worker that stands still keeps the job where it is: measured layers come before Preparing.
  for (const auto& [partition_by, state] : {std::pair("measured", v1::JOB_STATE_PLACING),
                                            std::pair("flops", v1::JOB_STATE_PREPARING)}) {
    SCOPED_TRACE(partition_by);
    cluster.worker("w1").Signal(SIGSTOP);
    const std::string id =
        cluster.Submit(job_file, {absl::StrCat("pipeline.partition_by=", partition_by)});
    cluster.AwaitState(id, state);
    cluster.KillCoordinator();
    cluster.StartCoordinator();
    EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_PENDING);
    cluster.worker("w1").Signal(SIGCONT);
    ExpectEveryUpdateOnce(cluster.AwaitCompletion(id), 40);
    EXPECT_THAT(cluster.EventTypes(id), Contains("Requeued"));
    EXPECT_EQ(cluster.Get(id).generation(), 2);
  }
}

TEST(CoordinatorCrash, APauseSurvivesAtEachOfItsSteps) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {"train.updates=60"});
  cluster.AwaitUpdates(id, 2);
  // Stage 1 stands still, so that the pause cannot be complete.
  cluster.worker("w1").Signal(SIGSTOP);
  EXPECT_EQ(cluster.PacictlJson({"pause", id})["state"], "JOB_STATE_PAUSING");
  cluster.KillCoordinator();
  cluster.StartCoordinator();
  EXPECT_EQ(cluster.Get(id).state(), v1::JOB_STATE_PAUSING);
  cluster.worker("w1").Signal(SIGCONT);
  const v1::Job paused = cluster.AwaitState(id, v1::JOB_STATE_PAUSED);
  EXPECT_EQ(paused.stages(0).updates(), paused.stages(1).updates());

  cluster.KillCoordinator();
  cluster.StartCoordinator();
  const v1::Job still = cluster.Await(id, [](const v1::Job& job) {
    return job.stages(0).state() != v1::STAGE_STATE_LOST &&
           job.stages(1).state() != v1::STAGE_STATE_LOST;
  });
  EXPECT_EQ(still.state(), v1::JOB_STATE_PAUSED);
  EXPECT_EQ(still.progress().updates(), paused.progress().updates());
  EXPECT_EQ(cluster.Pacictl({"resume", id}).code, 0);
  ExpectEveryUpdateOnce(cluster.AwaitCompletion(id), 60);
}

// The store of a coordinator that is not running, as it is.
void CopyStore(const std::string& from, const std::string& to) {
  std::filesystem::create_directories(to);
  for (const std::string name : {"store.db", "store.db-wal", "store.db-shm"}) {
    std::filesystem::remove(absl::StrCat(to, "/", name));
    if (!std::filesystem::exists(absl::StrCat(from, "/", name))) continue;
    std::filesystem::copy(absl::StrCat(from, "/", name), absl::StrCat(to, "/", name));
  }
}

TEST(CoordinatorCrash, AnOlderCopyOfTheStoreUndoesNothing) {
  LocalCluster cluster({.workers = 2});
  const std::string store = cluster.folder().path();
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {"train.updates=400"});
  cluster.AwaitUpdates(id, 2);
  cluster.KillCoordinator();
  CopyStore(store, store + "/older");
  cluster.StartCoordinator();
  // The next generation, which the copy knows nothing of.
  cluster.worker("w0").Signal(SIGKILL);
  cluster.StartWorker("w0");
  cluster.Await(id, [](const v1::Job& job) {
    return job.generation() == 2 && job.state() == v1::JOB_STATE_RUNNING &&
           job.progress().updates() > 0;
  });
  const v1::Worker worker = cluster.AwaitWorker("w1", v1::WORKER_STATE_BUSY);
  cluster.KillCoordinator();
  CopyStore(store, store + "/newer");

  CopyStore(store + "/older", store);
  cluster.StartCoordinator();
  const auto is_refused = [&] {
    const std::vector<std::string> types = cluster.EventTypes(id);
    return std::count(types.begin(), types.end(), "StoreIsOlder") == 1;
  };
  Poll("the coordinator sees that its store is older", is_refused);
  const std::string metrics = worker.info().metrics_address();
  const std::string series =
      absl::StrCat("paci_updates_total{job=\"", id, "\",stage=\"", worker.stage(), "\"}");
  const double before = Sample(HttpGet(metrics, "/metrics"), series);
  Poll("five more updates",
       [&] { return Sample(HttpGet(metrics, "/metrics"), series) >= before + 5; });
  EXPECT_TRUE(is_refused()) << "said more than once";
  EXPECT_EQ(cluster.Get(id).generation(), 1);
  EXPECT_NE(cluster.Pacictl({"pause", id}).code, 0);

  cluster.KillCoordinator();
  CopyStore(store + "/newer", store);
  cluster.StartCoordinator();
  ExpectEveryUpdateOnce(cluster.AwaitCompletion(id), 400);
  EXPECT_EQ(cluster.Get(id).generation(), 2);
}

}  // namespace
}  // namespace paci
