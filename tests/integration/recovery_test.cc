// A failed stage restarts by itself, and what the job computes is bit for bit what it would have
// computed without the failure.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace paci {
namespace {

using testing::Contains;
using testing::HasSubstr;

class Recovery : public testing::Test {
 protected:
  static std::string SubmitJob(const LocalCluster& cluster,
                               std::vector<std::string> settings = {}) {
    settings.emplace_back("checkpoint.keep=3");
    return cluster.SubmitCheckpointed(settings);
  }
  static v1::Job AwaitCheckpoint(const LocalCluster& cluster, const std::string& id) {
    return cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  }
};

TEST_F(Recovery, AKilledWorkerIsReplacedByAStandbyAtEveryPosition) {
  const Outcome undisturbed = UndisturbedOutcome();
  for (const std::string victim : {"w0", "w1", "w2"}) {
    SCOPED_TRACE(victim);
    LocalCluster cluster({.workers = 4});
    const std::string id = SubmitJob(cluster);
    AwaitCheckpoint(cluster, id);
    cluster.worker(victim).Signal(SIGKILL);
    EXPECT_EQ(OutcomeOf(cluster, id), undisturbed);
    const v1::Job job = cluster.Get(id);
    EXPECT_EQ(job.generation(), 2);
    EXPECT_EQ(job.restarts_size(), 1);
    EXPECT_THAT(cluster.EventTypes(id), Contains("Recovering"));
  }
}

TEST_F(Recovery, WithoutAStandbyTheJobWaitsForTheRestartedWorkers) {
  LocalCluster cluster({.workers = 3});
  const std::string id = SubmitJob(cluster);
  AwaitCheckpoint(cluster, id);
  for (const std::string name : {"w0", "w1", "w2"}) cluster.worker(name).Signal(SIGKILL);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  for (const std::string name : {"r0", "r1", "r2"}) cluster.StartWorker(name);
  EXPECT_EQ(OutcomeOf(cluster, id), UndisturbedOutcome());
}

TEST_F(Recovery, AWorkerThatStoodStillComesBackAsAStandbyAndChangesNothing) {
  LocalCluster cluster({.workers = 4, .lease_seconds = 3});
  const std::string id = SubmitJob(cluster);
  AwaitCheckpoint(cluster, id);
  cluster.worker("w1").Signal(SIGSTOP);
  cluster.Await(id, [](const v1::Job& job) { return job.generation() == 2; });
  cluster.worker("w1").Signal(SIGCONT);
  EXPECT_EQ(OutcomeOf(cluster, id), UndisturbedOutcome());
  cluster.AwaitWorker("w1", v1::WORKER_STATE_IDLE);
}

TEST_F(Recovery, CoordinatorAndWorkerAreKilledTogether) {
  LocalCluster cluster({.workers = 4});
  const std::string id = SubmitJob(cluster);
  AwaitCheckpoint(cluster, id);
  cluster.KillCoordinator();
  cluster.worker("w2").Signal(SIGKILL);
  cluster.StartCoordinator();
  EXPECT_EQ(OutcomeOf(cluster, id), UndisturbedOutcome());
}

// With a flush, whose bits a pause does not change.
TEST_F(Recovery, ADamagedCheckpointIsNamedAndTheOneBeforeItTakenAndThePauseKept) {
  LocalCluster cluster({.workers = 4});
  const std::vector<std::string> settings = {"pipeline.schedule=1f1b"};
  const std::string id = SubmitJob(cluster, settings);
  cluster.Await(id, [](const v1::Job& job) { return job.checkpoints_size() >= 2; });
  cluster.Pause(id);
  // The checkpoint of the last update may still be about to be committed.
  const v1::Job paused = cluster.Await(id, [](const v1::Job& job) {
    return job.checkpoints().rbegin()->update() == job.progress().updates() / 5 * 5;
  });
  for (const auto& entry : std::filesystem::directory_iterator(paused.checkpoint())) {
    if (entry.path().filename() != "unit-00001.weights.safetensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('x');
  }
  cluster.worker("w1").Signal(SIGKILL);
  cluster.Await(id, [&](const v1::Job& job) {
    return job.generation() > paused.generation() + 1 && job.state() == v1::JOB_STATE_PAUSED;
  });
  EXPECT_EQ(cluster.Pacictl({"resume", id}).code, 0);
  EXPECT_EQ(OutcomeOf(cluster, id), UndisturbedOutcome(settings));
  EXPECT_THAT(cluster.Pacictl({"events", id}).out,
              HasSubstr("unit-00001.weights.safetensors is damaged"));
}

TEST_F(Recovery, AJobWithoutCheckpointsBeginsAgain) {
  LocalCluster cluster({.workers = 3});
  const std::vector<std::string> settings = {"pipeline.order=strict", "train.updates=60"};
  const std::string job_file = WriteRealJob(cluster.folder());
  const std::vector<double> losses =
      Losses(cluster.AwaitCompletion(cluster.Submit(job_file, settings)));
  const std::string id = cluster.Submit(job_file, settings);
  cluster.AwaitUpdates(id, 2);
  cluster.worker("w0").Signal(SIGKILL);
  EXPECT_EQ(Losses(cluster.AwaitCompletion(id)), losses);
}

TEST_F(Recovery, WithoutWorkersItFailsInTheEndAndSaysWhatItWaitedFor) {
  LocalCluster cluster({.workers = 2});
  const std::string id =
      cluster.Submit(WriteEmulatedJob(cluster.folder()), {"recovery.replacement_seconds=200ms"});
  cluster.AwaitUpdates(id, 1);
  cluster.worker("w1").Signal(SIGKILL);
  EXPECT_THAT(cluster.AwaitState(id, v1::JOB_STATE_FAILED).reason(),
              HasSubstr("it needs 2 workers, and for 200ms no more than 1 were free; stage 1 on "
                        "worker w1 was lost"));
}

}  // namespace
}  // namespace paci
