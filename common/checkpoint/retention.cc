#include "common/checkpoint/retention.h"

#include <algorithm>
#include <filesystem>
#include <functional>
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

std::vector<uint64_t> UpdatesOnDisk(const v1::JobSpec& spec, const std::string& job_id) {
  std::vector<uint64_t> updates;
  std::error_code error;
  const fs::path folder = fs::path(CheckpointDirectory(spec, job_id, 0)).parent_path();
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename();
    const std::optional<uint64_t> update = UpdateOfDirectory(name);
    const bool is_checkpoint =
        update && fs::path(CheckpointDirectory(spec, job_id, *update)).filename() == name &&
        i->symlink_status().type() == fs::file_type::directory;
    if (is_checkpoint) updates.push_back(*update);
  }
  std::sort(updates.begin(), updates.end(), std::greater<>());
  return updates;
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

void ApplyRetention(const v1::JobSpec& spec, const std::string& job_id, uint64_t update) {
  uint32_t kept = 0;
  for (const uint64_t older : UpdatesOnDisk(spec, job_id)) {
    if (older > update) continue;
    const std::string directory = CheckpointDirectory(spec, job_id, older);
    std::error_code error;
    const bool is_complete = fs::exists(absl::StrCat(directory, "/", kManifestName), error);
    const bool is_kept =
        error || older == update || (is_complete && kept < spec.checkpoint().keep());
    if (is_kept) {
      ++kept;
    } else {
      Remove(directory);
    }
  }
}

}  // namespace paci
