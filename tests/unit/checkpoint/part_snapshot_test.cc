#include "common/checkpoint/part_snapshot.h"

#include <gtest/gtest.h>

#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

std::vector<std::string> ChecksumsOf(const absl::StatusOr<v1::CheckpointPart>& part) {
  EXPECT_TRUE(part.ok()) << part.status();
  std::vector<std::string> checksums;
  if (!part.ok()) return checksums;
  for (const v1::CheckpointFile& file : part->files()) {
    checksums.push_back(absl::StrCat(file.path(), " ", file.checksum()));
  }
  return checksums;
}

TEST(PartSnapshot, WritesWhatWasThereWhenItWasTaken) {
  const TestFolder folder;
  TestCheckpoint checkpoint(folder.path());
  PartSnapshot snapshot;
  for (uint64_t update = 1; update <= 2; ++update) {
    checkpoint.Fill(static_cast<float>(update));
    const std::vector<std::string> expected = ChecksumsOf(checkpoint.Write(update));
    snapshot.copy().Take(update, checkpoint.Units());
    checkpoint.Fill(7);
    EXPECT_EQ(ChecksumsOf(snapshot.Write(checkpoint.Directory(update), 0)), expected);
    EXPECT_EQ(snapshot.copy().update(), update);
  }
  // Again, for fewer units, into the buffer of more.
  checkpoint.Fill(3);
  snapshot.copy().Take(3, checkpoint.Units(1, 3));
  EXPECT_EQ(ChecksumsOf(snapshot.Write(checkpoint.Directory(3), 0)),
            ChecksumsOf(checkpoint.Write(3, 1, 3)));
}

TEST(PartSnapshot, RemovesWhatItWroteForCheckpointsThatWereGivenUp) {
  const TestFolder folder;
  TestCheckpoint checkpoint(folder.path());
  checkpoint.spec().mutable_checkpoint()->set_keep(9);
  PartSnapshot snapshot;
  const auto write = [&](uint64_t update, uint64_t settled_update) {
    snapshot.copy().Take(update, checkpoint.Units());
    return snapshot.Write(checkpoint.Directory(update), settled_update);
  };
  const auto is_there = [&](uint64_t update) {
    return std::filesystem::exists(checkpoint.Directory(update));
  };
  ASSERT_TRUE(write(1, 0).ok());
  const auto part = write(2, 0);
  ASSERT_TRUE(part.ok()) << part.status();
  ASSERT_TRUE(write(3, 0).ok());
  EXPECT_TRUE(is_there(1));  // it may still be committed
  ASSERT_EQ(CommitManifest(checkpoint.spec(), checkpoint.Command(2, *part)), absl::OkStatus());
  EXPECT_FALSE(is_there(1));
  ASSERT_TRUE(write(4, 2).ok());
  EXPECT_EQ(VerifyCheckpoint(checkpoint.Directory(2)), absl::OkStatus());
  EXPECT_TRUE(is_there(3));
  ASSERT_TRUE(write(5, 4).ok());
  EXPECT_FALSE(is_there(3));
  EXPECT_FALSE(is_there(4));
  EXPECT_TRUE(is_there(5));
}

}  // namespace
}  // namespace paci
