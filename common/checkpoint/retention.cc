#include "common/checkpoint/retention.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/checkpoint/durable_file.h"
#include "common/checkpoint/manifest.h"
#include "common/config/checkpoint_directory.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

namespace fs = std::filesystem;

}  // namespace

std::vector<CheckpointName> CheckpointsOnDisk(const v1::JobSpec& spec, const std::string& job_id) {
  std::vector<CheckpointName> names;
  std::error_code error;
  const fs::path folder = fs::path(CheckpointDirectory(spec, job_id, {})).parent_path();
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::optional<CheckpointName> name =
        ParseCheckpointDirectory(i->path().filename().string());
    const bool is_folder = i->symlink_status().type() == fs::file_type::directory;
    if (name && is_folder) names.push_back(*name);
  }
  std::sort(names.rbegin(), names.rend());
  return names;
}

namespace {

// The manifest first: a crash on the way leaves an incomplete checkpoint and no wrong one.
void Remove(const std::string& directory) {
  absl::Status removed = RemoveFile(directory, kManifestName);
  if (removed.ok()) {
    std::error_code error;
    fs::remove_all(directory, error);
    if (error) removed = FileError("remove", directory, error.value());
  }
  if (removed.ok()) removed = SyncFolder(fs::path(directory).parent_path());
  if (!removed.ok()) {
    LogWarning("an old checkpoint stays", {{"directory", directory}, {"why", removed.message()}});
  }
}

}  // namespace

void ApplyRetention(const v1::JobSpec& spec, const std::string& job_id,
                    const CheckpointName& committed, const std::optional<CheckpointName>& best) {
  uint32_t older_kept = 0;
  uint64_t last_kept = committed.update;
  for (const CheckpointName& name : CheckpointsOnDisk(spec, job_id)) {
    if (name == committed || name.generation > committed.generation) continue;
    const std::string directory = CheckpointDirectory(spec, job_id, name);
    std::error_code error;
    const bool is_complete = fs::exists(absl::StrCat(directory, "/", kManifestName), error);
    if (name.update > committed.update) {
      // Nobody ends what an earlier generation has begun.
      if (!error && !is_complete && name.generation < committed.generation) Remove(directory);
      continue;
    }
    // Of one update, the newest generation's.
    const bool is_kept = error || (is_complete && name.update < last_kept &&
                                   older_kept < std::max(spec.checkpoint().keep(), 1u));
    if (is_kept) {
      ++older_kept;
      last_kept = name.update;
    } else if (name != best) {
      Remove(directory);
    }
  }
}

}  // namespace paci
