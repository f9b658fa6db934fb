#include "common/checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesIn(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class CheckpointTest : public ::testing::Test {
 protected:
  std::string JobFolder() const { return folder_.path() + "/small-1"; }
  TestFolder folder_;
  TestCheckpoint checkpoint_{folder_.path()};
};

TEST_F(CheckpointTest, WhatIsCommittedCanBeReadByUnit) {
  checkpoint_.Fill(0.25);
  ASSERT_EQ(checkpoint_.WriteAndCommit(20, 5), absl::OkStatus());
  const std::string directory = checkpoint_.Directory(20, 5);
  EXPECT_THAT(NamesIn(directory),
              ElementsAre("manifest.json", "unit-00000.optimizer.safetensors",
                          "unit-00000.weights.safetensors", "unit-00001.optimizer.safetensors",
                          "unit-00001.weights.safetensors", "unit-00002.optimizer.safetensors",
                          "unit-00002.weights.safetensors", "unit-00003.optimizer.safetensors",
                          "unit-00003.weights.safetensors"));
  const auto manifest = ReadManifest(directory);
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->job_id, "small-1");
  EXPECT_EQ(manifest->generation, 5U);
  EXPECT_EQ(manifest->update, 20U);
  EXPECT_EQ(manifest->micro_batches, 80U);
  EXPECT_EQ(manifest->tokens, 80U * 3 * 16);
  EXPECT_EQ(manifest->spec.SerializeAsString(), checkpoint_.spec().SerializeAsString());
  EXPECT_EQ(VerifyCheckpoint(directory), absl::OkStatus());
  const auto weights = OpenWeights(directory, 3);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->Find("weight")->bytes, BytesOf(std::vector<float>(100, 0.25F)));
  EXPECT_EQ(weights->metadata().at("update"), "20");
  const auto optimizer = OpenOptimizer(directory, 0);
  ASSERT_TRUE(optimizer.ok()) << optimizer.status();
  EXPECT_EQ(optimizer->Find("step")->bytes, BytesOf(std::vector<int64_t>{7}));
}

TEST_F(CheckpointTest, AUnitWithoutOptimizerStateHasNoFileForIt) {
  auto units = checkpoint_.Units();
  for (UnitTensors& unit : units) unit.optimizer.clear();
  const auto part = WritePart(checkpoint_.Directory(1), 1, units);
  ASSERT_TRUE(part.ok()) << part.status();
  EXPECT_EQ(part->files_size(), 4);
  EXPECT_EQ(CommitManifest(checkpoint_.spec(), checkpoint_.Command(1, *part)), absl::OkStatus());
  EXPECT_EQ(OpenOptimizer(checkpoint_.Directory(1), 0).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(CheckpointTest, CommittingTwiceChangesNothing) {
  const auto part = checkpoint_.Write(3);
  ASSERT_TRUE(part.ok()) << part.status();
  const v1::CommitCheckpoint command = checkpoint_.Command(3, *part);
  ASSERT_EQ(CommitManifest(checkpoint_.spec(), command), absl::OkStatus());
  const std::string manifest = ReadFile(checkpoint_.Directory(3) + "/manifest.json");
  ASSERT_EQ(CommitManifest(checkpoint_.spec(), command), absl::OkStatus());
  EXPECT_EQ(ReadFile(checkpoint_.Directory(3) + "/manifest.json"), manifest);
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(3)), absl::OkStatus());
}

TEST_F(CheckpointTest, ANewAttemptHidesTheOldOneAndReplacesIt) {
  ASSERT_EQ(checkpoint_.WriteAndCommit(4), absl::OkStatus());
  checkpoint_.Fill(9);
  const auto first = checkpoint_.Write(4, 0, 2);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ReadManifest(checkpoint_.Directory(4)).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(checkpoint_.WriteAndCommit(4), absl::OkStatus());
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(4)), absl::OkStatus());
  EXPECT_EQ(OpenWeights(checkpoint_.Directory(4), 0)->Find("weight")->bytes,
            BytesOf(std::vector<float>(100, 9)));
}

// A worker that was given up may still be writing, and committing.
TEST_F(CheckpointTest, AnOlderGenerationTouchesNothingOfANewerOne) {
  ASSERT_EQ(checkpoint_.WriteAndCommit(2), absl::OkStatus());
  ASSERT_EQ(checkpoint_.WriteAndCommit(3, 2), absl::OkStatus());
  ASSERT_TRUE(checkpoint_.Write(5, 0, 2, 2).ok());  // being written
  checkpoint_.Fill(9);
  for (const uint64_t update : {3, 4, 6}) {
    ASSERT_EQ(checkpoint_.WriteAndCommit(update, 1), absl::OkStatus());
  }
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(3, 2)), absl::OkStatus());
  EXPECT_EQ(OpenWeights(checkpoint_.Directory(3, 2), 0)->Find("weight")->bytes,
            BytesOf(std::vector<float>(100, 0.5F)));
  EXPECT_TRUE(fs::exists(checkpoint_.Directory(5, 2)));
  ASSERT_TRUE(checkpoint_.Write(7, 0, 2, 1).ok());  // and dies
  // The newer one clears up what it left.
  ASSERT_EQ(checkpoint_.WriteAndCommit(6, 2), absl::OkStatus());
  EXPECT_THAT(NamesIn(JobFolder()),
              ElementsAre("update-00000003.g2", "update-00000004.g1", "update-00000006.g2"));
}

TEST_F(CheckpointTest, WhatIsNotThereIsNotCommitted) {
  const auto part = checkpoint_.Write(5);
  ASSERT_TRUE(part.ok()) << part.status();
  const std::string directory = checkpoint_.Directory(5);
  const std::string victim = directory + "/unit-00002.optimizer.safetensors";
  const v1::CommitCheckpoint good = checkpoint_.Command(5, *part);
  const auto error = [&](const v1::CommitCheckpoint& command) {
    const absl::Status status = CommitManifest(checkpoint_.spec(), command);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ReadManifest(directory).status().code(), absl::StatusCode::kNotFound);
    return std::string(status.message());
  };
  v1::CommitCheckpoint partial = good;
  partial.mutable_files()->DeleteSubrange(6, 2);
  EXPECT_EQ(error(partial), "cannot commit " + directory + ": unit 3 of 0..3 has no weights");
  v1::CommitCheckpoint outside = good;
  outside.mutable_files(0)->set_path("../../secret");
  EXPECT_THAT(error(outside), HasSubstr("it names the file \"../../secret\""));
  const std::string bytes = ReadFile(victim);
  fs::resize_file(victim, 10);
  EXPECT_EQ(error(good),
            absl::StrCat("cannot commit ", directory, ": ", victim, " has 10 bytes; expected the ",
                         bytes.size(), " that were reported"));
  fs::remove(victim);
  EXPECT_EQ(error(good),
            "cannot commit " + directory + ": " + victim + ": No such file or directory");
}

TEST_F(CheckpointTest, VerifyNamesTheFileThatIsDamaged) {
  ASSERT_EQ(checkpoint_.WriteAndCommit(6), absl::OkStatus());
  const std::string victim = checkpoint_.Directory(6) + "/unit-00001.weights.safetensors";
  const std::string good = ReadFile(victim);
  std::string bad = good;
  bad[bad.size() / 2] ^= 1;
  std::ofstream(victim, std::ios::binary) << bad;
  const absl::Status damaged = VerifyCheckpoint(checkpoint_.Directory(6));
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()), HasSubstr(victim + " is damaged: it has "));
  std::ofstream(victim, std::ios::binary) << good;
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(6)), absl::OkStatus());
  fs::remove(victim);
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(6)).message(),
            "cannot read " + victim + ": No such file or directory");
  EXPECT_EQ(VerifyCheckpoint(folder_.path()).message(),
            "there is no complete checkpoint in " + folder_.path() + ": it has no manifest.json");
}

TEST_F(CheckpointTest, KeepsTheNewestCompleteOnesAndNoOlderIncompleteOne) {
  for (const uint64_t update : {10, 20, 30}) {
    ASSERT_EQ(checkpoint_.WriteAndCommit(update), absl::OkStatus());
  }
  EXPECT_THAT(NamesIn(JobFolder()),
              ElementsAre("update-00000010.g1", "update-00000020.g1", "update-00000030.g1"));
  ASSERT_TRUE(checkpoint_.Write(35, 0, 2).ok());  // never finished
  ASSERT_TRUE(checkpoint_.Write(50, 0, 2).ok());  // being written
  ASSERT_EQ(checkpoint_.WriteAndCommit(40), absl::OkStatus());
  EXPECT_THAT(NamesIn(JobFolder()), ElementsAre("update-00000020.g1", "update-00000030.g1",
                                                "update-00000040.g1", "update-00000050.g1"));
  checkpoint_.spec().mutable_checkpoint()->set_keep(1);
  ASSERT_EQ(checkpoint_.WriteAndCommit(50), absl::OkStatus());
  EXPECT_THAT(NamesIn(JobFolder()), ElementsAre("update-00000040.g1", "update-00000050.g1"))
      << "nobody may know of the newest yet";
}

TEST_F(CheckpointTest, TheBestStaysHoweverOldUntilAnotherIs) {
  const auto commit = [this](uint64_t update, const CheckpointName& best) {
    const auto part = checkpoint_.Write(update);
    ASSERT_TRUE(part.ok()) << part.status();
    v1::CommitCheckpoint command = checkpoint_.Command(update, *part);
    command.mutable_best()->set_update(best.update);
    command.mutable_best()->set_generation(best.generation);
    ASSERT_EQ(CommitManifest(checkpoint_.spec(), command), absl::OkStatus());
  };
  checkpoint_.spec().mutable_checkpoint()->set_keep(1);
  ASSERT_EQ(checkpoint_.WriteAndCommit(10), absl::OkStatus());
  for (const uint64_t update : {20, 30, 40}) commit(update, {10, 1});
  EXPECT_THAT(NamesIn(JobFolder()),
              ElementsAre("update-00000010.g1", "update-00000030.g1", "update-00000040.g1"));
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(10)), absl::OkStatus());
  commit(50, {40, 1});  // the best is among the newest: it counts as one of them
  EXPECT_THAT(NamesIn(JobFolder()), ElementsAre("update-00000040.g1", "update-00000050.g1"));
  commit(60, {40, 2});  // of another generation: not there
  EXPECT_THAT(NamesIn(JobFolder()), ElementsAre("update-00000050.g1", "update-00000060.g1"));
}

// A job may be begun anew beside what an earlier one of its name has left.
TEST_F(CheckpointTest, LaterUpdatesAndWhatIsNoCheckpointStay) {
  ASSERT_EQ(checkpoint_.WriteAndCommit(100), absl::OkStatus());
  fs::create_directory(JobFolder() + "/update-1");
  fs::create_directory(JobFolder() + "/notes");
  fs::create_directory(folder_.path() + "/elsewhere");
  fs::create_symlink(folder_.path() + "/elsewhere", JobFolder() + "/update-00000002.g1");
  for (const uint64_t update : {5, 10, 15}) {
    ASSERT_EQ(checkpoint_.WriteAndCommit(update), absl::OkStatus());
  }
  EXPECT_THAT(NamesIn(JobFolder()),
              ElementsAre("notes", "update-00000002.g1", "update-00000005.g1", "update-00000010.g1",
                          "update-00000015.g1", "update-00000100.g1", "update-1"));
  EXPECT_TRUE(fs::exists(folder_.path() + "/elsewhere"));
  EXPECT_EQ(VerifyCheckpoint(checkpoint_.Directory(100)), absl::OkStatus());
}

TEST_F(CheckpointTest, WhatAKilledAttemptLeftIsSweptUp) {
  ASSERT_TRUE(checkpoint_.Write(7).ok());
  const std::string left = checkpoint_.Directory(7) + "/.partial-unit-00000.weights-abc";
  std::ofstream(left) << "half";
  ASSERT_EQ(checkpoint_.WriteAndCommit(7), absl::OkStatus());
  EXPECT_FALSE(fs::exists(left));
}

TEST_F(CheckpointTest, AFolderThatCannotBeMadeIsNamed) {
  const std::string file = folder_.Write("file", "x");
  checkpoint_.spec().mutable_checkpoint()->set_dir(file);
  EXPECT_EQ(checkpoint_.Write(1).status().message(),
            "cannot make " + file + "/small-1: Not a directory");
}

TEST_F(CheckpointTest, AFolderThatIsNotWritableIsNamed) {
  ASSERT_TRUE(checkpoint_.Write(1).ok());
  const std::string directory = checkpoint_.Directory(1);
  ASSERT_EQ(chmod(directory.c_str(), 0555), 0);
  if (geteuid() == 0) {  // root may write everywhere
    ASSERT_EQ(seteuid(65534), 0);
  }
  const absl::Status status = checkpoint_.Write(1).status();
  if (getuid() == 0) {
    ASSERT_EQ(seteuid(0), 0);
  }
  ASSERT_EQ(chmod(directory.c_str(), 0755), 0);
  EXPECT_EQ(status, absl::PermissionDeniedError("cannot write " + directory +
                                                "/unit-00000.weights.safetensors: "
                                                "Permission denied"));
}

TEST_F(CheckpointTest, AFullDiskIsNamedAndNothingOfTheAttemptIsLeft) {
  const std::string mountpoint = folder_.path() + "/disk";
  fs::create_directory(mountpoint);
  if (mount("tmpfs", mountpoint.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "may not mount a small disk here: " << strerror(errno);
  }
  TestCheckpoint large(mountpoint, 10000);
  const auto part = large.Write(1);
  const bool is_there = fs::exists(large.Directory(1));
  EXPECT_EQ(umount(mountpoint.c_str()), 0);
  EXPECT_EQ(part.status(), absl::ResourceExhaustedError(
                               "cannot write " + large.Directory(1) +
                               "/unit-00001.weights.safetensors: No space left on device"));
  EXPECT_FALSE(is_there);
}

}  // namespace
}  // namespace paci
