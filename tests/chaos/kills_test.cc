// Processes are killed at random, again and again, and the job ends with the losses and the weights
// of the run that nobody disturbed. PACI_CHAOS_KILLS says how many there are.

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/chaos/chaos.h"
#include "tests/integration/job_files.h"
#include "tests/integration/outcome.h"

namespace paci {
namespace {

std::vector<std::string> Settings(uint64_t updates) {
  return {absl::StrCat("train.updates=", updates), "train.eval_every=50",
          "recovery.max_restarts=100000"};
}

class Kills : public ChaosTest {
 protected:
  void KillWorkers(const std::vector<std::string>& more) {
    const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 50);
    std::vector<std::string> settings = Settings(12 * kills);
    settings.insert(settings.end(), more.begin(), more.end());
    const Outcome undisturbed = UndisturbedOutcome(settings);
    LocalCluster cluster({.workers = kStages + 1});
    const std::string id = cluster.SubmitCheckpointed(settings);
    for (uint64_t kill = 0; kill < kills; ++kill) {
      AwaitSomeProgress(cluster, id);
      const v1::Job job = cluster.Get(id);
      ASSERT_NE(job.state(), v1::JOB_STATE_COMPLETED) << "after " << kill << " kills";
      cluster.KillWorker(job.stages(static_cast<int>(Below(kStages))).worker_name());
      cluster.StartWorker(absl::StrCat("r", kill));
      // This kill has been noticed before the next: the fault has fired.
      cluster.Await(
          id, [&](const v1::Job& now) { return now.restarts_size() > static_cast<int>(kill); });
    }
    EXPECT_EQ(OutcomeOf(cluster, id), undisturbed);
    EXPECT_EQ(cluster.Get(id).restarts_size(), kills);
  }
};

TEST_F(Kills, OfWorkersChangeNoBit) { KillWorkers({}); }

TEST_F(Kills, OfWorkersWithATiedHeadAndMuonThatLooksAheadChangeNoBit) {
  KillWorkers(
      {"model.tied_head=true", "optimizer.name=muon", "optimizer.lag_correction=look_ahead"});
}

// In recovery.mode fast, with copies: no stage falls back by more than what was on its way.
TEST_F(Kills, WithCopiesAtNeighboursLoseNoUpdate) {
  const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 50);
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = cluster.Submit(
      WriteRealJob(cluster.folder()),
      {"pipeline.stages=3", "train.updates=1000000", "train.eval_every=0", "recovery.mode=fast",
       "recovery.replicate=neighbour", "recovery.max_restarts=100000"});
  uint64_t generation = 1;
  for (uint64_t kill = 0; kill < kills; ++kill) {
    AwaitSomeProgress(cluster, id);
    const v1::Job job = cluster.Get(id);
    cluster.KillWorker(job.stages(static_cast<int>(Below(kStages))).worker_name());
    cluster.StartWorker(absl::StrCat("r", kill));
    const v1::Job after = cluster.Await(id, [&](const v1::Job& now) {
      return now.generation() > generation &&
             std::all_of(now.stages().begin(), now.stages().end(),
                         [](const v1::StageStatus& stage) { return stage.first_update() > 0; });
    });
    generation = after.generation();
    for (const v1::StageStatus& stage : after.stages()) {
      ASSERT_GE(stage.first_update() + 1, job.progress().updates()) << after.reason();
    }
  }
  EXPECT_EQ(generation, kills + 1);
  EXPECT_EQ(cluster.Pacictl({"cancel", id}).code, 0);
  cluster.AwaitState(id, v1::JOB_STATE_CANCELLED);
  // A process that is still starting is ended by the signal itself.
  cluster.AwaitWorker(absl::StrCat("r", kills - 1), v1::WORKER_STATE_IDLE);
  cluster.EndInOrder();
}

// Training does not notice; a job is neither lost nor begun twice.
TEST_F(Kills, OfTheCoordinatorChangeNoBit) {
  const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 50);
  const uint64_t updates = 40 * kills;
  const Outcome undisturbed = UndisturbedOutcome(Settings(updates));
  LocalCluster cluster({.workers = kStages});
  const std::string id = cluster.SubmitCheckpointed(Settings(updates));
  uint64_t killed = 0;
  for (; killed < kills; ++killed) {
    const v1::Job job = cluster.Get(id);
    if (job.state() == v1::JOB_STATE_COMPLETED) break;
    cluster.AwaitUpdates(id, job.progress().updates() + 1);
    cluster.KillCoordinator();
    cluster.StartCoordinator();
  }
  EXPECT_GE(killed, kills / 5);
  EXPECT_EQ(OutcomeOf(cluster, id), undisturbed);
  EXPECT_EQ(cluster.Get(id).generation(), 1) << "no worker was lost by it";
}

}  // namespace
}  // namespace paci
