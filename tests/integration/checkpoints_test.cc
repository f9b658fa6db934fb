// Which checkpoints are kept, and checkpoints on a disk that has no room.

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/mount.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

// A file system of its own, of three checkpoints of the real job. Needs root.
class SmallDisk {
 public:
  SmallDisk()
      : error_(mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, "size=2400k") == 0 ? 0 : errno) {}
  ~SmallDisk() {
    if (error_ != 0) return;
    EXPECT_EQ(umount2(folder_.path().c_str(), MNT_DETACH), 0);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  int error() const { return error_; }  // why there is none; 0: there is
  std::string checkpoints() const { return folder_.path() + "/checkpoints"; }

  void Fill() const {
    std::ofstream file(filler(), std::ios::app | std::ios::binary);
    const std::string block(4096, 'x');
    while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }
  void Empty() const { std::filesystem::remove(filler()); }

 private:
  std::string filler() const { return folder_.path() + "/filler"; }

  const TestFolder folder_;
  const int error_;
};

TEST(Checkpoints, AFullDiskCostsTheCheckpointNotTheJobWhichWritesTheNextWhenThereIsRoom) {
  const SmallDisk disk;
  if (disk.error() != 0) {
    GTEST_SKIP() << "may not mount a small disk here: " << strerror(disk.error());
  }
  LocalCluster cluster({.workers = 2});
  const std::string id =
      cluster.Submit(WriteRealJob(cluster.folder()),
                     {absl::StrCat("checkpoint.dir=", disk.checkpoints()), "checkpoint.every=50",
                      "checkpoint.keep=1", "checkpoint.keep_best=false", "checkpoint.cut=running",
                      "train.updates=1000000"});
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const auto has_failed = [&] {
    const std::vector<std::string> events = cluster.EventTypes(id);
    return std::find(events.begin(), events.end(), "CheckpointFailed") != events.end();
  };
  // A commit removes the checkpoint before, and so makes room again.
  Poll("a checkpoint is given up", [&] {
    disk.Fill();
    return has_failed();
  });
  EXPECT_THAT(cluster.Pacictl({"events", id}).out,
              testing::ContainsRegex("the checkpoint of update [0-9]+ (is given up: stage [01] on "
                                     "worker w[01] could not write its part|cannot be "
                                     "committed): RESOURCE_EXHAUSTED"));
  const v1::Job full = cluster.Get(id);
  EXPECT_TRUE(std::filesystem::exists(full.checkpoint() + "/manifest.json"));
  disk.Empty();
  // One that was begun after there was room.
  const v1::Job job = cluster.Await(id, [&](const v1::Job& seen) {
    return seen.checkpoints_size() > 0 &&
           seen.checkpoints().rbegin()->update() > full.progress().updates() + 50;
  });
  EXPECT_EQ(job.state(), v1::JOB_STATE_RUNNING);
  EXPECT_EQ(job.generation(), 1);
  EXPECT_EQ(cluster.Pacictl({"cancel", id}).code, 0);
  // Nothing of a given up one is left before the newest. (A commit that was under way may have
  // removed that one, too.)
  const v1::Job last = cluster.AwaitState(id, v1::JOB_STATE_CANCELLED);
  size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(disk.checkpoints() + "/" + id)) {
    if (entry.path() <= last.checkpoint()) ++left;
  }
  EXPECT_LE(left, 2u) << "keep 1, and the one before";
}

// The learning rate rises until training is lost, so that the best is not the newest.
TEST(Checkpoints, TheOneWithTheLeastValidationLossIsKeptAndCanBeUsed) {
  LocalCluster cluster({.workers = 2});
  const std::string id =
      cluster.Submit(WriteRealJob(cluster.folder()),
                     {absl::StrCat("checkpoint.dir=", cluster.folder().path(), "/checkpoints"),
                      "checkpoint.every=5", "checkpoint.keep=1", "train.eval_every=5",
                      "train.updates=60", "optimizer.lr=3", "optimizer.warmup_updates=60"});
  const std::vector<v1::MetricPoint> points = cluster.AwaitCompletion(id);
  const v1::MetricPoint* best = nullptr;
  for (const v1::MetricPoint& point : points) {
    if (!point.has_validation_loss() || point.update() == 0) continue;
    if (best == nullptr || point.validation_loss() <= best->validation_loss()) best = &point;
  }
  ASSERT_NE(best, nullptr);
  ASSERT_LT(best->update(), 55u) << "the newest is the best, or one that is kept in any case";
  const v1::Job job = cluster.Get(id);
  ASSERT_EQ(job.checkpoints_size(), 2);
  EXPECT_EQ(job.checkpoints(0).update(), best->update());
  EXPECT_EQ(job.checkpoints(0).validation_loss(), best->validation_loss());
  EXPECT_EQ(job.checkpoints(1).update(), 60);
  EXPECT_THAT(cluster.Pacictl({"checkpoints", id}).out, testing::ContainsRegex("best [0-9]"));
  const auto generated =
      cluster.PacictlJson({"generate", id, "--best", "--max-tokens", "5", "--prompt", "and"});
  EXPECT_EQ(generated["checkpoint"], job.checkpoints(0).directory());
  const std::string next =
      cluster.PacictlJson({"submit", cluster.folder().path() + "/real.yaml", "--set",
                           "train.updates=70", "--resume-from", id + "@best"})["id"];
  cluster.AwaitCompletion(next);
  EXPECT_EQ(cluster.Get(next).resumed_from().directory(), job.checkpoints(0).directory());
}

}  // namespace
}  // namespace paci
