// What a user does and sees, from the job file to the text that the model writes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/sockets.h"

namespace paci {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::set<std::string> Keys(const nlohmann::json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

TEST(EndToEnd, AJobIsSubmittedWatchedInspectedAndWritesText) {
  LocalCluster cluster({.workers = 2});
  const std::string checkpoints = cluster.folder().path() + "/checkpoints";
  const CommandResult watched =
      cluster.Pacictl({"submit", WriteRealJob(cluster.folder()), "--watch", "--set",
                       "checkpoint.dir=" + checkpoints, "--set", "pipeline.partition_by=measured"});
  EXPECT_EQ(watched.code, 0) << watched.err;
  EXPECT_THAT(watched.out, HasSubstr("real-1 Completed"));

  const nlohmann::json job = cluster.PacictlJson({"describe", "real-1"});
  EXPECT_THAT(Keys(job),
              UnorderedElementsAre("id", "spec", "state", "reason", "generation", "created",
                                   "started", "finished", "progress", "stages", "checkpoint",
                                   "checkpoints", "restarts", "is_pause_wanted", "wanted_stages",
                                   "stage_count", "micro_batch_split"));
  EXPECT_EQ(job["state"], "JOB_STATE_COMPLETED");
  EXPECT_EQ(job["generation"], "1");
  EXPECT_EQ(job["progress"]["updates"], "40");
  EXPECT_EQ(job["progress"]["tokens"], std::to_string(40 * 4 * 2 * 32));
  EXPECT_NEAR(job["progress"]["first_validation_loss"], std::log(256), 0.1);
  EXPECT_LT(job["progress"]["last_validation_loss"], 3.0);
  ASSERT_EQ(job["stages"].size(), 2);
  for (const auto& stage : job["stages"]) {
    EXPECT_EQ(stage["state"], "STAGE_STATE_FINISHED");
    EXPECT_EQ(stage["forwards"], "160");
    EXPECT_EQ(stage["backwards"], "160");
    EXPECT_EQ(stage["updates"], "40");
  }
  EXPECT_EQ(job["stages"][0]["lag"]["bound"], "1");
  nlohmann::json listed = job;
  listed["stages"] = nlohmann::json::array();  // describe has them
  EXPECT_EQ(cluster.PacictlJson({"list"})["jobs"], nlohmann::json::array({listed}));

  EXPECT_THAT(cluster.EventTypes("real-1"),
              ElementsAre("Submitted", "Placing", "Preparing", "Running", "CheckpointWritten",
                          "CheckpointCommitted", "Completed"));
  const auto points = cluster.PacictlJson({"metrics", "real-1"})["points"];
  ASSERT_EQ(points.size(), 40 + 3);
  EXPECT_EQ(points.back()["validation_loss"], job["progress"]["last_validation_loss"]);

  EXPECT_EQ(job["checkpoint"], checkpoints + "/real-1/update-00000040.g1");
  EXPECT_THAT(
      FilesIn(job["checkpoint"]),
      UnorderedElementsAre("manifest.json", "unit-00000.weights.safetensors",
                           "unit-00000.optimizer.safetensors", "unit-00001.weights.safetensors",
                           "unit-00001.optimizer.safetensors", "unit-00002.weights.safetensors",
                           "unit-00002.optimizer.safetensors", "unit-00003.weights.safetensors",
                           "unit-00003.optimizer.safetensors"));

  const auto generate = [&](const std::string& seed) {
    return cluster.PacictlJson(
        {"generate", "real-1", "--prompt", "and ", "--max-tokens", "60", "--seed", seed});
  };
  const nlohmann::json text = generate("7");
  EXPECT_THAT(Keys(text), UnorderedElementsAre("text", "checkpoint", "tokens"));
  EXPECT_EQ(text["text"].get<std::string>().size(), 80) << "base64 of 60 bytes";
  EXPECT_EQ(generate("7"), text);
  EXPECT_NE(generate("8"), text);
  // The same prompt as ids, "and ".
  EXPECT_EQ(cluster.PacictlJson({"generate", "real-1", "--prompt-tokens", "97,110,100,32",
                                 "--max-tokens", "60", "--seed", "7"}),
            text);

  const auto workers = cluster.PacictlJson({"workers"})["workers"];
  ASSERT_EQ(workers.size(), 2);
  EXPECT_THAT(Keys(workers[0]), UnorderedElementsAre("id", "name", "state", "info", "job_id",
                                                     "stage", "connected", "last_seen"));
  EXPECT_EQ(workers[0]["name"], "w0");
  EXPECT_EQ(workers[0]["state"], "WORKER_STATE_IDLE");
}

TEST(EndToEnd, MetricsOfCoordinatorAndWorkersNameJobAndStage) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteEmulatedJob(cluster.folder()), {});
  cluster.AwaitUpdates(id, 2);
  std::string of_worker[2];
  for (const v1::Worker& worker : cluster.Workers()) {
    of_worker[worker.stage()] = HttpGet(worker.info().metrics_address(), "/metrics");
  }
  const std::string of_coordinator = HttpGet(cluster.metrics_address(), "/metrics");
  for (int stage = 0; stage < 2; ++stage) {
    for (const std::string& text : {of_coordinator, of_worker[stage]}) {
      const auto value = [&](const std::string& series, const std::string& more = "") {
        return Sample(text,
                      absl::StrCat(series, "{job=\"", id, "\",stage=\"", stage, "\"", more, "}"));
      };
      EXPECT_GE(value("paci_updates_total"), 2);
      EXPECT_GE(value("paci_forwards_total"), value("paci_backwards_total"));
      EXPECT_LE(value("paci_in_flight"), value("paci_in_flight_cap"));
      EXPECT_EQ(value("paci_in_flight_cap"), 2 - stage);
      EXPECT_EQ(value("paci_version_lag_bound"), 1 - stage);
      EXPECT_GT(value("paci_activity_seconds_total", ",activity=\"forward\""), 0);
      EXPECT_GT(value("paci_resident_bytes"), 0);
      EXPECT_GT(value("paci_transferred_bytes_total", ",direction=\"sent\""), 0);
    }
  }
  EXPECT_EQ(
      Sample(of_coordinator, absl::StrCat("paci_job_state{job=\"", id, "\",state=\"running\"}")),
      1);
  EXPECT_EQ(Sample(of_coordinator, "paci_workers{state=\"busy\"}"), 2);
  EXPECT_EQ(Sample(of_worker[0], "paci_worker_busy"), 1);
}

TEST(EndToEnd, ExitCodesAreThoseThatScriptsExpect) {
  LocalCluster cluster({.workers = 1});
  const std::string job_file = WriteRealJob(cluster.folder());
  EXPECT_EQ(cluster.Pacictl({"submit", job_file, "--watch", "--set", "pipeline.stages=1"}).code, 0);
  const CommandResult failed = cluster.Pacictl(
      {"submit", job_file, "--watch", "--set", "pipeline.stages=1", "--set", "data.train=/none"});
  EXPECT_EQ(failed.code, 1);
  EXPECT_EQ(cluster.Pacictl({"pause", "real-1"}).code, 1) << "it has ended";
  EXPECT_EQ(cluster.Pacictl({"submit", job_file, "--set", "pipeline.stages=5"}).code, 2);
  EXPECT_EQ(cluster.Pacictl({"describe", "real-9"}).code, 3);
  EXPECT_EQ(cluster.Pacictl({"drain", "w9"}).code, 3);
  cluster.KillCoordinator();
  EXPECT_EQ(cluster.Pacictl({"list"}).code, 4);
}

TEST(EndToEnd, SigtermEndsEveryProcessWithZeroAndLeavesNothing) {
  LocalCluster cluster({.workers = 3});
  const std::string id =
      cluster.Submit(WriteRealJob(cluster.folder()), {"train.updates=150", "train.eval_every=0"});
  cluster.AwaitUpdates(id, 1);
  // The two that train finish their stages first.
  cluster.EndInOrder();
  cluster.StartCoordinator();
  const v1::Job job = cluster.Get(id);
  EXPECT_EQ(job.state(), v1::JOB_STATE_COMPLETED) << job.reason();
  EXPECT_EQ(job.progress().updates(), 150);
}

}  // namespace
}  // namespace paci
