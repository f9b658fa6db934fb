// A job may begin where another one was; and checkpoints are inspected.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

class ResumeFrom : public testing::Test {
 protected:
  std::vector<std::string> Settings(std::vector<std::string> more = {}) const {
    for (const std::string& setting :
         {absl::StrCat("checkpoint.dir=", checkpoints_), std::string("checkpoint.every=10"),
          std::string("checkpoint.keep=9"), std::string("pipeline.schedule=1f1b"),
          std::string("optimizer.clip_norm=0")}) {
      more.insert(more.begin(), setting);
    }
    return more;
  }
  CommandResult Submit(const LocalCluster& cluster, const std::string& point,
                       const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args = {"submit", WriteRealJob(cluster.folder()), "--resume-from",
                                     point};
    for (const std::string& setting : Settings(more)) {
      args.push_back("--set");
      args.push_back(setting);
    }
    return cluster.Pacictl(std::move(args));
  }
  // Every file of it ends in another byte than it did.
  static void Damage(const std::string& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(-1, std::ios::end);
    const auto last = static_cast<char>(file.get());
    file.seekp(-1, std::ios::end);
    file.put(static_cast<char>(last ^ 1));
  }

  const TestFolder folder_;
  const std::string checkpoints_ = folder_.path() + "/checkpoints";
};

TEST_F(ResumeFrom, AJobOverOtherStagesGoesOnBitForBitWhereAnotherWas) {
  LocalCluster cluster({.workers = 3});
  const std::string first = cluster.Submit(WriteRealJob(cluster.folder()), Settings());
  const std::vector<double> losses = Losses(cluster.AwaitCompletion(first));
  const nlohmann::json kept = cluster.PacictlJson({"checkpoints", first});
  ASSERT_EQ(kept.size(), 4) << kept;
  EXPECT_EQ(kept[1]["update"], "20");

  const auto rest = [&](size_t update) {
    return std::vector<double>(losses.begin() + static_cast<int64_t>(update), losses.end());
  };
  EXPECT_EQ(Submit(cluster, first + "@20", {"pipeline.stages=3"}).code, 0);
  EXPECT_EQ(Losses(cluster.AwaitCompletion("real-2")), rest(20));
  EXPECT_THAT(cluster.Pacictl({"events", "real-2"}).out, HasSubstr("it begins with "));
  const std::string folder = kept[2]["directory"];
  EXPECT_EQ(Submit(cluster, folder, {"pipeline.stages=1"}).code, 0);
  EXPECT_EQ(Losses(cluster.AwaitCompletion("real-3")), rest(30));
  EXPECT_THAT(cluster.PacictlJson({"checkpoints", first}), SizeIs(4)) << "the source stays";
}

TEST_F(ResumeFrom, APointThatCannotBeIsRefusedWithWhatWouldBeRight) {
  LocalCluster cluster({.workers = 2});
  const std::string first = cluster.Submit(WriteRealJob(cluster.folder()), Settings());
  cluster.AwaitCompletion(first);
  EXPECT_THAT(Submit(cluster, first + "@7").err,
              HasSubstr("keeps no checkpoint of update 7; it has those of 10, 20, 30, 40"));
  EXPECT_THAT(Submit(cluster, first).err,
              HasSubstr("the checkpoint to begin with (--resume-from) is of update 40 and "
                        "train.updates is 40; expected an earlier one, or more train.updates"));
  EXPECT_THAT(Submit(cluster, checkpoints_ + "/real-1").err,
              HasSubstr("its name does not end in update-NNNNNNNN.gN"));
  const std::string other_model = "its model.hidden is 32; the job's is 16";
  const std::string other_schedule = "the schedule pipemare goes on with the running mean";
  EXPECT_THAT(Submit(cluster, first + "@20", {"model.hidden=16"}).err,
              HasSubstr("g1 of job real-1: " + other_model));
  EXPECT_THAT(Submit(cluster, first + "@20", {"pipeline.schedule=pipemare"}).err,
              HasSubstr("g1 of job real-1: " + other_schedule));
  // A copy, of which the coordinator knows nothing: the workers read what it is of.
  const std::string copy = folder_.path() + "/copy/update-00000020.g1";
  std::filesystem::create_directories(copy);
  std::filesystem::copy(checkpoints_ + "/real-1/update-00000020.g1", copy);
  EXPECT_EQ(Submit(cluster, copy, {"model.hidden=16"}).code, 0);
  EXPECT_THAT(cluster.AwaitState("real-2", v1::JOB_STATE_FAILED).reason(), HasSubstr(other_model));
  EXPECT_EQ(Submit(cluster, copy, {"pipeline.schedule=pipemare"}).code, 0);
  EXPECT_THAT(cluster.AwaitState("real-3", v1::JOB_STATE_FAILED).reason(),
              HasSubstr("copy/update-00000020.g1: " + other_schedule));
}

TEST_F(ResumeFrom, AnotherJobsCheckpointsAreNotOverwritten) {
  {
    LocalCluster cluster({.workers = 2});
    cluster.AwaitCompletion(cluster.Submit(WriteRealJob(cluster.folder()), Settings()));
  }
  // Its store is new, so that it counts its jobs from 1 again.
  LocalCluster cluster({.workers = 2});
  const std::string again = cluster.Submit(WriteRealJob(cluster.folder()), Settings());
  EXPECT_THAT(cluster.AwaitState(again, v1::JOB_STATE_FAILED).reason(),
              AllOf(HasSubstr("/real-1 holds checkpoints of another job that was called real-1"),
                    HasSubstr("expected another checkpoint.dir or name of the job")));
  EXPECT_EQ(
      cluster.Pacictl({"verify-checkpoint", checkpoints_ + "/real-1/update-00000040.g1"}).code, 0);
}

TEST_F(ResumeFrom, VerifyNamesEveryBadLayer) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(WriteRealJob(cluster.folder()), Settings());
  cluster.AwaitCompletion(id);
  const std::string directory = cluster.Get(id).checkpoint();
  EXPECT_THAT(cluster.Pacictl({"verify-checkpoint", directory}).out,
              AllOf(HasSubstr("is complete: update 40 of job real-1, generation 1"),
                    HasSubstr("every checksum is right")));
  Damage(directory + "/unit-00001.weights.safetensors");
  std::filesystem::remove(directory + "/unit-00000.optimizer.safetensors");
  const CommandResult result = cluster.Pacictl({"verify-checkpoint", directory});
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.err, AllOf(HasSubstr("2 of "), HasSubstr("block 0: "),
                                HasSubstr("unit-00001.weights.safetensors is damaged"),
                                HasSubstr("the embedding: ")));
  const CommandResult incomplete = cluster.Pacictl({"verify-checkpoint", checkpoints_});
  EXPECT_EQ(incomplete.code, 1);
  EXPECT_THAT(incomplete.err, HasSubstr("there is no complete checkpoint in "));
}

}  // namespace
}  // namespace paci
