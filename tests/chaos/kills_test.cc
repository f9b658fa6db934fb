// Processes are killed at random, again and again, and the job ends with the losses and the weights
// of the run that nobody disturbed. PACI_CHAOS_SEED replays a run's choices, PACI_CHAOS_KILLS says
// how many there are.

#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

constexpr int kStages = 3;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &value)) << name << ": " << text;
  return value;
}

std::string SubmitJob(LocalCluster& cluster, uint64_t updates) {
  return cluster.Submit(
      WriteRealJob(cluster.folder()),
      {absl::StrCat("checkpoint.dir=", cluster.folder().path(), "/checkpoints"),
       "checkpoint.every=5", absl::StrCat("pipeline.stages=", kStages), "pipeline.order=strict",
       absl::StrCat("train.updates=", updates), "train.eval_every=50", "model.dropout=0.1",
       "recovery.max_restarts=100000"});
}

struct Outcome {
  std::vector<double> losses;
  nlohmann::json files;  // of the last checkpoint: names, sizes, checksums
};

Outcome OutcomeOf(LocalCluster& cluster, const std::string& id) {
  Outcome outcome{Losses(cluster.AwaitCompletion(id)), {}};
  std::ifstream manifest(cluster.Get(id).checkpoint() + "/manifest.json");
  outcome.files = nlohmann::json::parse(manifest)["files"];
  return outcome;
}

void ExpectSame(const Outcome& outcome, const Outcome& undisturbed) {
  EXPECT_EQ(outcome.losses, undisturbed.losses);
  EXPECT_EQ(outcome.files, undisturbed.files);
}

class Kills : public testing::Test {
 protected:
  Kills() : seed_(FromEnvironment("PACI_CHAOS_SEED", std::random_device()())), random_(seed_) {
    std::cout << "PACI_CHAOS_SEED=" << seed_ << std::endl;
  }
  uint64_t Below(uint64_t end) { return random_() % end; }

  // Waits until the job has made a few updates since it last started to run.
  void AwaitSomeProgress(const LocalCluster& cluster, const std::string& id) {
    const uint64_t steps = 1 + Below(9);
    uint64_t generation = 0;
    uint64_t begun_at = 0;
    cluster.Await(id, [&](const v1::Job& job) {
      if (job.generation() != generation) {
        generation = job.generation();
        begun_at = job.progress().updates();
      }
      return job.state() == v1::JOB_STATE_RUNNING && job.progress().updates() >= begun_at + steps;
    });
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

TEST_F(Kills, OfWorkersChangeNoBit) {
  const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 50);
  const uint64_t updates = 12 * kills;
  Outcome undisturbed;
  {
    LocalCluster cluster({.workers = kStages});
    undisturbed = OutcomeOf(cluster, SubmitJob(cluster, updates));
  }
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = SubmitJob(cluster, updates);
  for (uint64_t kill = 0; kill < kills; ++kill) {
    AwaitSomeProgress(cluster, id);
    const v1::Job job = cluster.Get(id);
    ASSERT_NE(job.state(), v1::JOB_STATE_COMPLETED) << "after " << kill << " kills";
    const std::string victim = job.stages(static_cast<int>(Below(kStages))).worker_name();
    cluster.worker(victim).Signal(SIGKILL);
    cluster.StartWorker(absl::StrCat("r", kill));
    // This kill has been noticed before the next: the fault has fired.
    cluster.Await(id,
                  [&](const v1::Job& now) { return now.restarts_size() > static_cast<int>(kill); });
  }
  ExpectSame(OutcomeOf(cluster, id), undisturbed);
  EXPECT_EQ(cluster.Get(id).restarts_size(), kills);
}

// Training does not notice; a job is neither lost nor begun twice.
TEST_F(Kills, OfTheCoordinatorChangeNoBit) {
  const uint64_t kills = FromEnvironment("PACI_CHAOS_KILLS", 50);
  const uint64_t updates = 40 * kills;
  Outcome undisturbed;
  {
    LocalCluster cluster({.workers = kStages});
    undisturbed = OutcomeOf(cluster, SubmitJob(cluster, updates));
  }
  LocalCluster cluster({.workers = kStages});
  const std::string id = SubmitJob(cluster, updates);
  uint64_t killed = 0;
  for (; killed < kills; ++killed) {
    const v1::Job job = cluster.Get(id);
    if (job.state() == v1::JOB_STATE_COMPLETED) break;
    cluster.AwaitUpdates(id, job.progress().updates() + 1);
    cluster.KillCoordinator();
    cluster.StartCoordinator();
  }
  EXPECT_GE(killed, kills / 5);
  ExpectSame(OutcomeOf(cluster, id), undisturbed);
  EXPECT_EQ(cluster.Get(id).generation(), 1) << "no worker was lost by it";
}

}  // namespace
}  // namespace paci
