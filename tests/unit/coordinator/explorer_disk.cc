#include "tests/unit/coordinator/explorer_disk.h"

namespace paci {

absl::Status ExplorerDisk::Commit(Name name, uint32_t stages, uint32_t keep) {
  if (!HasParts(name, stages)) return absl::DataLossError("a file is missing");
  const auto committed = checkpoints_.find(name);
  committed->second.has_manifest = true;
  uint32_t kept = 0;  // beside it: the store may not know of it for a while
  uint64_t last_kept = name.update;
  for (auto it = committed; it != checkpoints_.begin();) {
    --it;
    // Of a newer generation: not of this one's past.
    if (it->first.generation > name.generation) continue;
    if (it->second.has_manifest && it->first.update < last_kept && kept < keep) {
      ++kept;
      last_kept = it->first.update;
    } else {
      it = checkpoints_.erase(it);
    }
  }
  return absl::OkStatus();
}

absl::Status ExplorerDisk::Verify(Name name) const {
  const auto found = checkpoints_.find(name);
  if (found == checkpoints_.end() || !found->second.has_manifest) {
    return absl::NotFoundError("no manifest");
  }
  return found->second.is_damaged ? absl::DataLossError("checksums differ") : absl::OkStatus();
}

bool ExplorerDisk::HasParts(Name name, uint32_t stages) const {
  const auto found = checkpoints_.find(name);
  return found != checkpoints_.end() && found->second.parts.size() == stages;
}

bool ExplorerDisk::IsWhole(Name name) const {
  const auto found = checkpoints_.find(name);
  return found != checkpoints_.end() && found->second.is_whole();
}

}  // namespace paci
