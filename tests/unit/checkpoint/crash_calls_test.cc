// The process is killed at every system call that touches a file, while parts are written,
// manifests committed and old checkpoints removed. crash_test.cc kills within a write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "common/checkpoint/durable_file.h"
#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"
#include "tests/unit/checkpoint/traced_child.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kUpdates = 4;
constexpr uint32_t kKeep = 2;

class CrashCalls : public ::testing::Test {
 protected:
  CrashCalls() {
    checkpoint_.spec().mutable_checkpoint()->set_keep(kKeep);
    committed_ = static_cast<uint64_t*>(
        mmap(nullptr, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  }
  ~CrashCalls() override { munmap(committed_, sizeof(uint64_t)); }

  // As two stages and the worker that commits do it. Only the first unit has optimizer state.
  bool WriteAndCommit(uint64_t update) const {
    v1::CheckpointPart all;
    for (const uint32_t first : {0, 2}) {
      std::vector<UnitTensors> units = checkpoint_.Units(first, first + 2);
      for (UnitTensors& unit : units) {
        if (unit.unit > 0) unit.optimizer.clear();
      }
      const auto part = WritePart(checkpoint_.Directory(update), update, units);
      if (!part.ok()) return false;
      all.MergeFrom(*part);
    }
    return CommitManifest(checkpoint_.spec(), checkpoint_.Command(update, all)).ok();
  }
  static constexpr size_t kFilesOfACheckpoint = 5;

  absl::StatusOr<TracedRun> Run(std::optional<size_t> kill_at) const {
    fs::remove_all(folder_.path() + "/small-1");
    *committed_ = 0;
    return RunTraced(
        [this] {
          for (uint64_t update = 1; update <= kUpdates; ++update) {
            if (!WriteAndCommit(update)) return false;
            *committed_ = update;
          }
          return true;
        },
        kill_at);
  }

  std::vector<uint64_t> Complete() const {
    std::vector<uint64_t> updates;
    for (uint64_t update = 1; update <= kUpdates + 1; ++update) {
      if (fs::exists(checkpoint_.Directory(update) + "/" + std::string(kManifestName))) {
        updates.push_back(update);
      }
    }
    return updates;
  }

  const TestFolder folder_;
  TestCheckpoint checkpoint_{folder_.path(), 10};
  uint64_t* committed_;  // shared with the child
};

TEST_F(CrashCalls, AtEveryOneOfThemTheCheckpointsBeforeStayAndTheNextAttemptSucceeds) {
  size_t kills = 0;
  for (size_t k = 0;; ++k) {
    const auto run = Run(k);
    if (absl::IsPermissionDenied(run.status())) GTEST_SKIP() << run.status();
    ASSERT_TRUE(run.ok()) << run.status();
    const std::vector<uint64_t> complete = Complete();
    SCOPED_TRACE(absl::StrCat("killed at call ", k, ", complete: ",
                              ::testing::PrintToString(complete), ", committed: ", *committed_));
    for (const uint64_t update : complete) {
      ASSERT_EQ(VerifyCheckpoint(checkpoint_.Directory(update)), absl::OkStatus());
    }
    ASSERT_GE(complete.size(), std::min<uint64_t>(kKeep, *committed_));
    if (*committed_ > 0) {
      ASSERT_GE(complete.back(), *committed_);
      ASSERT_LE(complete.back(), *committed_ + 1);
    }
    if (!run->is_killed) break;
    ++kills;
    // The job goes on from the newest that it knows, and does the one after it again.
    ASSERT_TRUE(WriteAndCommit(*committed_ + 1));
    ASSERT_EQ(VerifyCheckpoint(checkpoint_.Directory(*committed_ + 1)), absl::OkStatus());
    ASSERT_EQ(Complete().size(), std::min<uint64_t>(kKeep + 1, *committed_ + 1));
  }
  EXPECT_EQ(*committed_, kUpdates);
  EXPECT_GT(kills, kUpdates * kFilesOfACheckpoint * 5);
}

// What is durable once each call is done: a file's bytes by its own sync, its name by the folder's.
class Durability {
 public:
  void Do(const FileCall& call) {
    if (call.name == "write" || call.name == "ftruncate") synced_files_.erase(call.path);
    if (call.name == "fsync") Sync(call.path);
    if (call.name == "rename") Rename(call);
    if (call.name == "unlink") Unlink(call.path);
  }

  size_t manifests() const { return manifests_; }
  size_t removed_manifests() const { return removed_manifests_; }

 private:
  static std::string FolderOf(const std::string& path) { return fs::path(path).parent_path(); }
  static bool IsManifest(const std::string& path) {
    return fs::path(path).filename() == std::string(kManifestName);
  }

  void Sync(const std::string& path) {
    synced_files_.insert(path);
    durable_[path].merge(unsynced_names_[path]);
    unsynced_names_[path].clear();
    unsynced_removals_.erase(path);
  }
  void Rename(const FileCall& call) {
    EXPECT_TRUE(synced_files_.count(call.path)) << call.path << " is renamed before it is synced";
    const std::string folder = FolderOf(call.to);
    EXPECT_TRUE(unsynced_names_[folder].empty()) << folder << " is not synced after a rename";
    if (IsManifest(call.to)) {
      ++manifests_;
      EXPECT_EQ(durable_[folder].size(), 5u) << "the manifest of " << folder << " comes too early";
    }
    unsynced_names_[folder].insert(call.to);
  }
  void Unlink(const std::string& path) {
    const std::string folder = FolderOf(path);
    EXPECT_FALSE(unsynced_removals_.count(folder))
        << path << " is removed before the removal of its manifest is durable";
    if (!IsManifest(path)) return;
    EXPECT_EQ(durable_[folder].count(path), 1u);
    ++removed_manifests_;
    unsynced_removals_.insert(folder);
  }

  std::set<std::string> synced_files_;
  std::map<std::string, std::set<std::string>> unsynced_names_;  // by folder
  std::map<std::string, std::set<std::string>> durable_;         // names, by folder
  std::set<std::string> unsynced_removals_;                      // folders
  size_t manifests_ = 0;
  size_t removed_manifests_ = 0;
};

TEST_F(CrashCalls, EveryFileIsSyncedThenNamedThenItsFolderSyncedAndTheManifestIsLast) {
  const auto run = Run(std::nullopt);
  if (absl::IsPermissionDenied(run.status())) GTEST_SKIP() << run.status();
  ASSERT_TRUE(run.ok()) << run.status();
  Durability durability;
  std::map<std::string, size_t> counts;
  const std::string folder = fs::canonical(folder_.path());
  for (const FileCall& call : run->calls) {
    if (!absl::StartsWith(call.path, folder)) continue;
    // A manifest that was never there is none to remove.
    const bool removes_nothing = call.name == "unlink" && counts["rename " + call.path] == 0 &&
                                 absl::EndsWith(call.path, kManifestName);
    if (!removes_nothing) durability.Do(call);
    ++counts[call.name];
    if (call.name == "rename") ++counts["rename " + call.to];
  }
  EXPECT_EQ(counts["rename"], kUpdates * (kFilesOfACheckpoint + 1));
  EXPECT_EQ(durability.manifests(), kUpdates);
  EXPECT_EQ(durability.removed_manifests(), kUpdates - kKeep - 1);
}

}  // namespace
}  // namespace paci
