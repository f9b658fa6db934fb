// recovery.mode fast: the stages that did not fail keep their weights, and the one that did goes on
// with a neighbour's copy of it, or with a checkpoint.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kUpdates = 1000;

// Three stages, in fast mode.
std::string SubmitFast(const LocalCluster& cluster, std::vector<std::string> settings) {
  const std::vector<std::string> fast = {"pipeline.stages=3", "recovery.mode=fast",
                                         absl::StrCat("train.updates=", kUpdates)};
  settings.insert(settings.begin(), fast.begin(), fast.end());
  return cluster.Submit(WriteRealJob(cluster.folder()), settings);
}
const std::vector<std::string> kCopies = {"recovery.replicate=neighbour"};
std::vector<std::string> Checkpoints(const LocalCluster& cluster) {
  return {absl::StrCat("checkpoint.dir=", cluster.folder().path(), "/checkpoints"),
          "checkpoint.every=5"};
}

// The job completes and has learnt; of each update there is one loss.
void ExpectCompletion(const LocalCluster& cluster, const std::string& id) {
  const std::vector<double> losses = Losses(cluster.AwaitCompletion(id));
  ASSERT_EQ(losses.size(), kUpdates);
  EXPECT_LT(losses.back(), losses.front() / 2);
}

std::string Events(const LocalCluster& cluster, const std::string& id) {
  return cluster.Pacictl({"events", id}).out;
}

uint64_t FirstUpdate(const v1::Job& job) { return job.stages(0).first_update(); }

// Each stage of the second generation has reported.
bool HasGoneOn(const v1::Job& job) {
  return job.generation() == 2 &&
         std::all_of(job.stages().begin(), job.stages().end(),
                     [](const v1::StageStatus& stage) { return stage.first_update() > 0; });
}

class FastRecoveryAt : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Stages, FastRecoveryAt, testing::Values("w0", "w1", "w2"));

TEST_P(FastRecoveryAt, AStageThatDiesGoesOnWithTheCopyOfItsNeighbour) {
  const std::string& victim = GetParam();
  LocalCluster cluster({.workers = 4});
  std::vector<std::string> settings = kCopies;
  settings.push_back("train.updates=1000000");
  const std::string id = SubmitFast(cluster, settings);
  const uint64_t seen = cluster.AwaitUpdates(id, 10).progress().updates();
  cluster.worker(victim).Signal(SIGKILL);
  const v1::Job job = cluster.Await(id, HasGoneOn);
  // One boundary of the stage may have been on its way.
  EXPECT_GE(FirstUpdate(job) + 1, seen);
  for (const v1::StageStatus& stage : job.stages()) {
    EXPECT_EQ(stage.first_update(), FirstUpdate(job));
  }
  EXPECT_THAT(Events(cluster, id),
              HasSubstr(absl::StrCat("stage ", victim.back() - '0', " with the copy of update ")));
  cluster.AwaitUpdates(id, FirstUpdate(job) + 20);
  cluster.Pacictl({"cancel", id});
  cluster.AwaitState(id, v1::JOB_STATE_CANCELLED);
}

TEST(FastRecovery, WithoutCopiesTheStageThatDiesGoesBackToTheCheckpoint) {
  LocalCluster cluster({.workers = 4});
  const std::string id = SubmitFast(cluster, Checkpoints(cluster));
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  cluster.worker("w1").Signal(SIGKILL);
  ExpectCompletion(cluster, id);
  EXPECT_THAT(Events(cluster, id), HasSubstr("the others with their own weights"));
  EXPECT_THAT(Events(cluster, id), HasSubstr(", its last checkpoint"));
  EXPECT_THAT(Events(cluster, id), Not(HasSubstr("every stage goes back")));
}

// Nobody's connection breaks: the other stages are told to stop.
TEST(FastRecovery, AStageThatStandsStillIsReplacedAndTheOthersAreStopped) {
  LocalCluster cluster({.workers = 4, .lease_seconds = 3});
  const std::string id = SubmitFast(cluster, kCopies);
  cluster.AwaitUpdates(id, 10);
  cluster.worker("w1").Signal(SIGSTOP);
  cluster.Await(id, [](const v1::Job& job) { return job.generation() == 2; });
  cluster.worker("w1").Signal(SIGCONT);
  ExpectCompletion(cluster, id);
  EXPECT_THAT(Events(cluster, id), HasSubstr("stage 1 with the copy of update "));
  cluster.AwaitWorker("w1", v1::WORKER_STATE_IDLE);
}

TEST(FastRecovery, WhenNoStageIsLeftAllGoBackToTheCheckpoint) {
  LocalCluster cluster({.workers = 3});
  const std::string id = SubmitFast(cluster, Checkpoints(cluster));
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  for (const std::string name : {"w0", "w1", "w2"}) cluster.worker(name).Signal(SIGKILL);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  for (const std::string name : {"r0", "r1", "r2"}) cluster.StartWorker(name);
  ExpectCompletion(cluster, id);
  EXPECT_THAT(Events(cluster, id), HasSubstr("so every stage goes back to update "));
}

TEST(FastRecovery, ASecondDeathBeforeTheReplacementSendsAllBack) {
  LocalCluster cluster({.workers = 3});
  std::vector<std::string> settings = Checkpoints(cluster);
  settings.insert(settings.end(), kCopies.begin(), kCopies.end());
  const std::string id = SubmitFast(cluster, settings);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  cluster.worker("w0").Signal(SIGKILL);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  cluster.worker("w1").Signal(SIGKILL);
  cluster.Await(id, [&](const v1::Job&) {
    const std::vector<std::string> types = cluster.EventTypes(id);
    return std::count(types.begin(), types.end(), "FastRestartGivenUp") > 0;
  });
  for (const std::string name : {"r0", "r1"}) cluster.StartWorker(name);
  ExpectCompletion(cluster, id);
}

// What its workers hold in memory is of no use to a coordinator that does not know of it.
TEST(FastRecovery, ACoordinatorThatDiesMeanwhileSendsAllBack) {
  LocalCluster cluster({.workers = 3});
  std::vector<std::string> settings = Checkpoints(cluster);
  settings.insert(settings.end(), kCopies.begin(), kCopies.end());
  const std::string id = SubmitFast(cluster, settings);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  cluster.worker("w2").Signal(SIGKILL);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  cluster.KillCoordinator();
  cluster.StartCoordinator();
  cluster.StartWorker("r2");
  ExpectCompletion(cluster, id);
  EXPECT_THAT(cluster.Get(id).generation(), 2);
}

TEST(FastRecovery, OfAPausedJobNothingIsLost) {
  LocalCluster cluster({.workers = 4});
  const std::string id = SubmitFast(cluster, kCopies);
  cluster.AwaitUpdates(id, 10);
  cluster.Pacictl({"pause", id});
  cluster.AwaitState(id, v1::JOB_STATE_PAUSED);
  const uint64_t held = cluster.Get(id).progress().updates();
  cluster.worker("w0").Signal(SIGKILL);
  const v1::Job job = cluster.Await(
      id, [](const v1::Job& j) { return HasGoneOn(j) && j.state() == v1::JOB_STATE_PAUSED; });
  // Drained, all stages have the same update, and so has the copy.
  EXPECT_EQ(FirstUpdate(job), held);
  cluster.Pacictl({"cancel", id});
}

}  // namespace
}  // namespace paci
