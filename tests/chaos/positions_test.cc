// Every set of stages that can be lost at once, and every moment at which that hurts the most.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "tests/chaos/chaos.h"

namespace paci {
namespace {

using testing::Contains;

class Positions : public ChaosTest {
 protected:
  // Kills the workers of some stages, as placed in `job`, and starts as many others.
  void ReplaceStages(LocalCluster& cluster, const v1::Job& job, const std::vector<int>& stages) {
    for (const int stage : stages) cluster.KillWorker(job.stages(stage).worker_name());
    for (size_t i = 0; i < stages.size(); ++i) StartReplacement(cluster);
  }
  void StartReplacement(LocalCluster& cluster) {
    cluster.StartWorker(absl::StrCat("r", replacements_++));
  }
  static v1::Job AwaitNewGeneration(const LocalCluster& cluster, const v1::Job& before) {
    return cluster.Await(before.id(), [&](const v1::Job& job) {
      return job.generation() > before.generation() && job.state() == v1::JOB_STATE_RUNNING;
    });
  }
  std::vector<int> StagesInSomeOrder() {
    std::vector<int> stages(kStages);
    std::iota(stages.begin(), stages.end(), 0);
    std::shuffle(stages.begin(), stages.end(), random());
    return stages;
  }

 private:
  int replacements_ = 0;
};

TEST_F(Positions, EverySetOfStagesAtOnce) {
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = SubmitEndless(cluster);
  std::vector<unsigned> sets((1 << kStages) - 1);
  std::iota(sets.begin(), sets.end(), 1);
  std::shuffle(sets.begin(), sets.end(), random());
  for (const unsigned set : sets) {
    SCOPED_TRACE(absl::StrCat("set ", set));
    AwaitSomeProgress(cluster, id);
    const v1::Job before = cluster.Get(id);
    std::vector<int> stages;
    for (int stage = 0; stage < kStages; ++stage) {
      if (set >> stage & 1) stages.push_back(stage);
    }
    ReplaceStages(cluster, before, stages);
    AwaitNewGeneration(cluster, before);
  }
  EXPECT_GE(cluster.Get(id).restarts_size(), sets.size());
  EXPECT_GE(Reasons(cluster, id, "StageLost").size(), sets.size());
  ExpectUndisturbed(cluster, id);
}

// Nobody is left to say that they are gone; but who comes under their names says it. Their leases
// would last longer than the test.
TEST_F(Positions, AllStagesAtOnceAndTheirProcessesAreStartedAgain) {
  LocalCluster cluster({.workers = kStages, .lease_seconds = 3600});
  const std::string id = SubmitEndless(cluster);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const v1::Job before = cluster.Get(id);
  // None of them lives to see another one gone.
  for (const v1::StageStatus& stage : before.stages()) {
    cluster.worker(stage.worker_name()).Signal(SIGSTOP);
  }
  for (const v1::StageStatus& stage : before.stages()) cluster.KillWorker(stage.worker_name());
  for (const v1::StageStatus& stage : before.stages()) cluster.StartWorker(stage.worker_name());
  AwaitNewGeneration(cluster, before);
  AwaitSomeProgress(cluster, id);
  EXPECT_THAT(Reasons(cluster, id, "StageFailed"),
              Contains(testing::HasSubstr("another process has its name now")));
  ExpectUndisturbed(cluster, id);
}

// Tells when an entry is made in a folder, at once.
class NewEntries {
 public:
  explicit NewEntries(const std::string& folder) : descriptor_(inotify_init1(IN_NONBLOCK)) {
    EXPECT_GE(inotify_add_watch(descriptor_, folder.c_str(), IN_CREATE | IN_ONLYDIR), 0) << folder;
  }
  ~NewEntries() { close(descriptor_); }
  NewEntries(const NewEntries&) = delete;
  NewEntries& operator=(const NewEntries&) = delete;

  // The name of the next one, made after this call; empty and a failure if there is none.
  std::string Next() {
    char buffer[4096];
    while (read(descriptor_, buffer, sizeof(buffer)) > 0) {
    }
    pollfd ready = {descriptor_, POLLIN, 0};
    EXPECT_EQ(poll(&ready, 1, 60'000), 1) << "no entry is made";
    if (read(descriptor_, buffer, sizeof(buffer)) <= 0) return "";
    return reinterpret_cast<const inotify_event*>(buffer)->name;
  }

 private:
  const int descriptor_;
};

// Its folder is there and its manifest is not.
TEST_F(Positions, EachStageWhileACheckpointIsWritten) {
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = SubmitEndless(cluster);
  const v1::Job first =
      cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const std::filesystem::path folder = std::filesystem::path(first.checkpoint()).parent_path();
  NewEntries checkpoints(folder);
  for (const int stage : StagesInSomeOrder()) {
    SCOPED_TRACE(absl::StrCat("stage ", stage));
    bool was_cut_short = false;
    for (int attempt = 0; attempt < 20 && !was_cut_short; ++attempt) {
      AwaitSomeProgress(cluster, id);
      const v1::Job before = cluster.Get(id);
      const std::string name = checkpoints.Next();
      cluster.KillWorker(before.stages(stage).worker_name());
      was_cut_short = !std::filesystem::exists(folder / name / "manifest.json");
      StartReplacement(cluster);
      AwaitNewGeneration(cluster, before);
    }
    EXPECT_TRUE(was_cut_short) << "every checkpoint was complete before the kill";
  }
  ExpectUndisturbed(cluster, id);
}

TEST_F(Positions, AnotherStageWhileTheJobWaitsForAReplacement) {
  LocalCluster cluster({.workers = kStages});
  const std::string id = SubmitEndless(cluster);
  const std::vector<int> stages = StagesInSomeOrder();
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const v1::Job before = cluster.Get(id);
  cluster.KillWorker(before.stages(stages[0]).worker_name());
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  cluster.KillWorker(before.stages(stages[1]).worker_name());
  StartReplacement(cluster);
  StartReplacement(cluster);
  AwaitNewGeneration(cluster, before);
  AwaitSomeProgress(cluster, id);
  ExpectUndisturbed(cluster, id);
}

// The standby stands still, so that the second fault meets a pipeline that is being prepared.
TEST_F(Positions, AnotherStageWhileTheRestartIsBeingPrepared) {
  LocalCluster cluster({.workers = kStages + 1, .lease_seconds = 5});
  const std::string id = SubmitEndless(cluster);
  const std::vector<int> stages = StagesInSomeOrder();
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const v1::Job before = cluster.Get(id);
  cluster.worker("w3").Signal(SIGSTOP);
  cluster.KillWorker(before.stages(stages[0]).worker_name());
  const v1::Job preparing = cluster.Await(id, [&](const v1::Job& job) {
    return job.generation() > before.generation() && job.state() == v1::JOB_STATE_PREPARING;
  });
  EXPECT_EQ(preparing.stages(stages[0]).worker_name(), "w3");
  cluster.KillWorker(preparing.stages(stages[1]).worker_name());
  cluster.worker("w3").Signal(SIGCONT);
  StartReplacement(cluster);
  AwaitNewGeneration(cluster, preparing);
  AwaitSomeProgress(cluster, id);
  EXPECT_GE(cluster.Get(id).restarts_size(), 2);
  ExpectUndisturbed(cluster, id);
}

// With a flush and without clipping, so that where the measured layers are cut changes no bit.
TEST_F(Positions, AWorkerWhileTheJobIsBeingPlacedOrPreparedForTheFirstTime) {
  const std::vector<std::string> settings = {"pipeline.schedule=1f1b", "optimizer.clip_norm=0"};
  for (const auto& [partition_by, state] : {std::pair("measured", v1::JOB_STATE_PLACING),
                                            std::pair("flops", v1::JOB_STATE_PREPARING)}) {
    SCOPED_TRACE(partition_by);
    LocalCluster cluster({.workers = kStages, .lease_seconds = 5});
    cluster.worker("w0").Signal(SIGSTOP);
    std::vector<std::string> all = settings;
    all.push_back(absl::StrCat("pipeline.partition_by=", partition_by));
    const std::string id = SubmitEndless(cluster, all);
    cluster.AwaitState(id, state);
    cluster.KillWorker(absl::StrCat("w", 1 + Below(kStages - 1)));
    cluster.worker("w0").Signal(SIGCONT);
    StartReplacement(cluster);
    cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
    EXPECT_GE(cluster.Get(id).generation(), 2);
    EXPECT_THAT(cluster.EventTypes(id), Contains("StageLost"));
    ExpectUndisturbed(cluster, id, settings);
  }
}

TEST_F(Positions, AStageTogetherWithTheCoordinator) {
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = SubmitEndless(cluster);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const v1::Job before = cluster.Get(id);
  const std::string victim = before.stages(static_cast<int>(Below(kStages))).worker_name();
  const bool is_coordinator_first = Below(2) == 0;
  if (is_coordinator_first) cluster.KillCoordinator();
  cluster.KillWorker(victim);
  if (!is_coordinator_first) cluster.KillCoordinator();
  cluster.StartCoordinator();
  const v1::Job after = AwaitNewGeneration(cluster, before);
  for (const v1::StageStatus& stage : after.stages()) EXPECT_NE(stage.worker_name(), victim);
  EXPECT_THAT(cluster.EventTypes(id), Contains("CoordinatorStarted"));
  AwaitSomeProgress(cluster, id);
  ExpectUndisturbed(cluster, id);
}

}  // namespace
}  // namespace paci
