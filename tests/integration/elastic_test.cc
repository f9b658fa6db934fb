// The number of stages of a running job changes, and with a flush what it computes does not: bit
// for bit the losses, and the weights in the end, of the run that was left alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::Contains;
using testing::HasSubstr;

constexpr uint64_t kUpdates = 100;

class Elastic : public testing::Test {
 protected:
  // 4 units; without clipping, which is by stage. A checkpoint every 5 updates.
  static std::string SubmitJob(LocalCluster& cluster, std::vector<std::string> settings = {}) {
    for (const std::string& setting :
         {absl::StrCat("checkpoint.dir=", cluster.folder().path(), "/checkpoints"),
          std::string("checkpoint.every=5"), std::string("pipeline.stages=4"),
          std::string("pipeline.schedule=1f1b"), std::string("pipeline.order=strict"),
          std::string("optimizer.clip_norm=0"), std::string("model.dropout=0.1"),
          absl::StrCat("train.updates=", kUpdates)}) {
      settings.push_back(setting);
    }
    return cluster.Submit(WriteRealJob(cluster.folder()), settings);
  }

  // With the job paused after its first checkpoint, what a test does next comes in time.
  static void PauseAfterACheckpoint(const LocalCluster& cluster, const std::string& id) {
    cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
    cluster.Pause(id);
  }
  static void Resume(const LocalCluster& cluster, const std::string& id) {
    EXPECT_EQ(cluster.Pacictl({"resume", id}).code, 0);
  }
  static v1::Job AwaitStages(const LocalCluster& cluster, const std::string& id, v1::JobState state,
                             int stages) {
    return cluster.Await(id, [&](const v1::Job& job) {
      return job.state() == state && job.stages_size() == stages;
    });
  }

  struct Outcome {
    std::vector<double> losses;  // of every update
    std::vector<double> validation_losses;
    nlohmann::json files;  // of the last checkpoint: names, sizes, checksums

    bool operator==(const Outcome&) const = default;
  };
  static Outcome OutcomeOf(LocalCluster& cluster, const std::string& id) {
    Outcome outcome;
    const std::vector<v1::MetricPoint> points = cluster.AwaitCompletion(id);
    outcome.losses = Losses(points);
    EXPECT_EQ(outcome.losses.size(), kUpdates);
    for (const v1::MetricPoint& point : points) {
      if (point.has_validation_loss()) outcome.validation_losses.push_back(point.validation_loss());
    }
    std::ifstream file(cluster.Get(id).checkpoint() + "/manifest.json");
    std::map<std::string, nlohmann::json> by_path;
    for (const auto& entry : nlohmann::json::parse(file)["files"]) by_path[entry["path"]] = entry;
    outcome.files = by_path;
    return outcome;
  }

  static const Outcome& Undisturbed() {
    static const Outcome* const outcome = [] {
      LocalCluster cluster({.workers = 4});
      return new Outcome(OutcomeOf(cluster, SubmitJob(cluster)));
    }();
    return *outcome;
  }
};

TEST_F(Elastic, ItShrinksTwiceWithoutReplacementsAndGrowsBackWhenWorkersReturn) {
  LocalCluster cluster({.workers = 4});
  const std::string id =
      SubmitJob(cluster, {"recovery.replacement_seconds=200ms", "recovery.min_stages=2"});
  PauseAfterACheckpoint(cluster, id);
  cluster.worker("w3").Signal(SIGKILL);
  AwaitStages(cluster, id, v1::JOB_STATE_PAUSED, 3);
  cluster.worker("w0").Signal(SIGKILL);
  AwaitStages(cluster, id, v1::JOB_STATE_PAUSED, 2);
  for (const std::string name : {"r0", "r1"}) cluster.StartWorker(name);
  for (const std::string name : {"r0", "r1"}) cluster.AwaitWorker(name, v1::WORKER_STATE_IDLE);
  Resume(cluster, id);
  AwaitStages(cluster, id, v1::JOB_STATE_RUNNING, 4);
  EXPECT_EQ(OutcomeOf(cluster, id), Undisturbed());
  const v1::Job job = cluster.Get(id);
  EXPECT_EQ(job.generation(), 4);
  EXPECT_EQ(job.restarts_size(), 2) << "growing is no restart after a failure";
  EXPECT_THAT(cluster.EventTypes(id), Contains("Rescaling"));
  EXPECT_THAT(cluster.Pacictl({"events", id}).out,
              HasSubstr("it goes on over 2 stages instead of 4, as recovery.min_stages allows"));
}

TEST_F(Elastic, WithTooFewForItsLeastItFailsInTheEnd) {
  LocalCluster cluster({.workers = 4});
  const std::string id =
      SubmitJob(cluster, {"recovery.replacement_seconds=200ms", "recovery.min_stages=3"});
  PauseAfterACheckpoint(cluster, id);
  for (const std::string name : {"w1", "w2"}) cluster.worker(name).Signal(SIGKILL);
  EXPECT_THAT(cluster.AwaitState(id, v1::JOB_STATE_FAILED).reason(),
              HasSubstr("it needs at least 3 workers, and for 200ms no more than 2 were free"));
}

TEST_F(Elastic, AUserRescalesItDownAndUpAgain) {
  LocalCluster cluster({.workers = 4});
  const std::string id = SubmitJob(cluster);
  PauseAfterACheckpoint(cluster, id);
  const CommandResult down = cluster.Pacictl({"rescale", id, "--stages", "2"});
  EXPECT_EQ(down.code, 0) << down.err;
  EXPECT_THAT(down.out, HasSubstr("2 stages are wanted"));
  EXPECT_THAT(down.out, HasSubstr("from its first checkpoint after the pause on"));
  Resume(cluster, id);
  AwaitStages(cluster, id, v1::JOB_STATE_RUNNING, 2);
  EXPECT_EQ(cluster.Pacictl({"rescale", id, "--default"}).code, 0);
  EXPECT_EQ(OutcomeOf(cluster, id), Undisturbed());
  const v1::Job job = cluster.Get(id);
  EXPECT_EQ(job.stages_size(), 4);
  EXPECT_EQ(job.generation(), 3);
  EXPECT_EQ(job.restarts_size(), 0);
  const CommandResult late = cluster.Pacictl({"rescale", id, "--stages", "2"});
  EXPECT_EQ(late.code, 1);
  EXPECT_THAT(late.err, HasSubstr("is Completed: what has ended cannot be rescaled"));
}

TEST_F(Elastic, ARescaleThatCannotBeIsRefused) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {});
  cluster.AwaitState(id, v1::JOB_STATE_RUNNING);
  EXPECT_THAT(cluster.Pacictl({"rescale", id, "--stages", "1"}).err,
              HasSubstr("has no checkpoints on the way"));
  const std::string waiting = SubmitJob(cluster);
  EXPECT_THAT(cluster.Pacictl({"rescale", waiting, "--stages", "5"}).err,
              HasSubstr("5 stages are more than the 4 units of the model"));
  EXPECT_EQ(cluster.Pacictl({"cancel", id}).code, 0);
  EXPECT_EQ(cluster.Pacictl({"rescale", waiting, "--stages", "2"}).code, 0);
  EXPECT_EQ(OutcomeOf(cluster, waiting), Undisturbed());
  EXPECT_EQ(cluster.Get(waiting).stages_size(), 2);
}

TEST_F(Elastic, ADrainedWorkerIsLetGoInTheMiddleOfTheJob) {
  for (const bool is_by_signal : {false, true}) {
    SCOPED_TRACE(is_by_signal ? "SIGTERM" : "pacictl drain");
    LocalCluster cluster({.workers = 5});
    const std::string id = SubmitJob(cluster);
    PauseAfterACheckpoint(cluster, id);
    if (is_by_signal) {
      cluster.worker("w1").Signal(SIGTERM);
    } else {
      EXPECT_EQ(cluster.Pacictl({"drain", "w1"}).code, 0);
    }
    cluster.AwaitWorker("w1", v1::WORKER_STATE_DRAINING);
    Resume(cluster, id);
    cluster.Await(id, [](const v1::Job& job) { return job.generation() == 2; });
    cluster.ExpectEnd("w1");
    EXPECT_EQ(OutcomeOf(cluster, id), Undisturbed());
    const v1::Job job = cluster.Get(id);
    EXPECT_EQ(job.stages(1).worker_name(), "w4");
    EXPECT_EQ(job.generation(), 2);
    EXPECT_EQ(job.restarts_size(), 0);
    EXPECT_THAT(cluster.Pacictl({"events", id}).out, HasSubstr("worker w1 of stage 1 leaves"));
  }
}

TEST_F(Elastic, WithoutAStandbyADrainedWorkerGoesIfTheJobMayShrink) {
  LocalCluster cluster({.workers = 4});
  const std::string id = SubmitJob(cluster, {"recovery.min_stages=3"});
  PauseAfterACheckpoint(cluster, id);
  EXPECT_EQ(cluster.Pacictl({"drain", "w2"}).code, 0);
  Resume(cluster, id);
  EXPECT_EQ(OutcomeOf(cluster, id), Undisturbed());
  EXPECT_EQ(cluster.Get(id).stages_size(), 3);
  cluster.ExpectEnd("w2");
}

}  // namespace
}  // namespace paci
