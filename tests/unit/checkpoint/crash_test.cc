// The process is killed by the kernel at a chosen byte of a chosen file: a limit on the size of
// files, whose signal nobody handles. Whatever was being written, a checkpoint is there whole or is
// not there.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "common/checkpoint/durable_file.h"
#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

// Whether the child, which calls `work`, was killed by writing more than `limit_bytes` to a file.
template <typename Work>
bool IsKilledAt(uint64_t limit_bytes, const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const rlimit limit = {limit_bytes, limit_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    // A write that crosses the limit is cut short first, and the next one is killed.
    _exit(work().ok() ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  const bool is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ;
  EXPECT_TRUE(is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) << status;
  return is_killed;
}

TEST(Crash, WhileAPartIsWrittenLeavesNoCheckpoint) {
  const TestFolder folder;
  // Growing files: a larger limit kills later.
  const TestCheckpoint small(folder.path(), 50);
  const std::string directory = small.Directory(1);
  const std::vector<float> values(400, 1);
  std::vector<UnitTensors> units;
  for (uint32_t unit = 0; unit < 4; ++unit) {
    const int64_t size = int64_t{100} * (unit + 1);
    units.push_back({unit, {{"w", Dtype::kF32, {size}, BytesOf(values).first(size * 4)}}, {}});
  }
  size_t most_files = 0;
  int kills = 0;
  for (uint64_t limit = 0; limit < 1800; limit += 50) {
    std::filesystem::remove_all(directory);
    if (!IsKilledAt(limit, [&] { return WritePart(directory, 1, units).status(); })) continue;
    ++kills;
    EXPECT_EQ(ReadManifest(directory).status().code(), absl::StatusCode::kNotFound) << limit;
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      if (IsPartialName(entry.path().filename().string())) continue;
      ++files;
      EXPECT_TRUE(SafetensorsFile::Open(entry.path()).ok()) << entry.path();
    }
    most_files = std::max(most_files, files);
  }
  EXPECT_GT(kills, 20);
  EXPECT_EQ(most_files, 3U);  // killed in every one of the four
}

TEST(Crash, WhileTheManifestIsWrittenLeavesNoCheckpointAndTheNextCommitMakesIt) {
  const TestFolder folder;
  const TestCheckpoint checkpoint(folder.path(), 10);
  const auto part = checkpoint.Write(1);
  ASSERT_TRUE(part.ok()) << part.status();
  const v1::CommitCheckpoint command = checkpoint.Command(1, *part);
  TestCheckpoint same(folder.path(), 10);
  const auto commit = [&] { return CommitManifest(same.spec(), command); };
  int kills = 0;
  for (uint64_t limit = 0; IsKilledAt(limit, commit); limit += 97) {
    ++kills;
    EXPECT_EQ(ReadManifest(checkpoint.Directory(1)).status().code(), absl::StatusCode::kNotFound)
        << limit;
  }
  EXPECT_GT(kills, 5);
  EXPECT_EQ(VerifyCheckpoint(checkpoint.Directory(1)), absl::OkStatus());
  for (const auto& entry : std::filesystem::directory_iterator(checkpoint.Directory(1))) {
    EXPECT_FALSE(IsPartialName(entry.path().filename().string())) << entry.path();
  }
}

TEST(Crash, OfANewAttemptLeavesTheOlderCheckpointsWhole) {
  const TestFolder folder;
  const TestCheckpoint checkpoint(folder.path(), 500);
  ASSERT_EQ(checkpoint.WriteAndCommit(1), absl::OkStatus());
  ASSERT_TRUE(IsKilledAt(1000, [&] { return checkpoint.WriteAndCommit(2); }));
  EXPECT_EQ(VerifyCheckpoint(checkpoint.Directory(1)), absl::OkStatus());
  EXPECT_EQ(ReadManifest(checkpoint.Directory(2)).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(checkpoint.WriteAndCommit(2), absl::OkStatus());
  EXPECT_EQ(VerifyCheckpoint(checkpoint.Directory(2)), absl::OkStatus());
}

}  // namespace
}  // namespace paci
