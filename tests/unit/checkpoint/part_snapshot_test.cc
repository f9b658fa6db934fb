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
    snapshot.Take(update, checkpoint.Units());
    checkpoint.Fill(7);
    EXPECT_EQ(ChecksumsOf(snapshot.Write(checkpoint.Directory(update))), expected);
    EXPECT_EQ(snapshot.update(), update);
  }
  // Again, for fewer units, into the buffer of more.
  checkpoint.Fill(3);
  snapshot.Take(3, checkpoint.Units(1, 3));
  EXPECT_EQ(ChecksumsOf(snapshot.Write(checkpoint.Directory(3))),
            ChecksumsOf(checkpoint.Write(3, 1, 3)));
}

}  // namespace
}  // namespace paci
