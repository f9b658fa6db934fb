#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "absl/status/status.h"
#include "common/config/checkpoint_directory.h"

namespace paci {

// What the workers' shared folder holds of one job's checkpoints, as common/checkpoint writes it: a
// directory for each update and generation, the files of the stages in it, and over them a
// manifest. A plain value.
class ExplorerDisk {
 public:
  using Name = CheckpointName;
  struct Checkpoint {
    std::set<uint32_t> parts;  // stages whose files are there
    bool has_manifest = false;
    bool is_damaged = false;
    bool is_whole() const { return has_manifest && !is_damaged; }
  };

  void WritePart(Name name, uint32_t stage) { checkpoints_[name].parts.insert(stage); }
  // DATA_LOSS: a part is missing. Then keeps, beside it, the newest `keep` before it.
  absl::Status Commit(Name name, uint32_t stages, uint32_t keep);
  // NOT_FOUND, DATA_LOSS: a stage cannot go on from it.
  absl::Status Verify(Name name) const;
  void Damage(Name name) { checkpoints_[name].is_damaged = true; }

  bool HasParts(Name name, uint32_t stages) const;
  bool IsWhole(Name name) const;
  const std::map<Name, Checkpoint>& checkpoints() const { return checkpoints_; }

 private:
  std::map<Name, Checkpoint> checkpoints_;
};

}  // namespace paci
