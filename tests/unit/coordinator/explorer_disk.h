#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>

#include "absl/status/status.h"

namespace paci {

// What the workers' shared folder holds of one job's checkpoints, as common/checkpoint writes it: a
// directory for each update and generation, the files of the stages in it, and over them a
// manifest. A plain value.
class ExplorerDisk {
 public:
  struct Name {
    uint64_t update = 0;
    uint64_t generation = 0;
    bool operator==(const Name&) const = default;
    bool operator<(const Name& other) const {
      return std::tie(update, generation) < std::tie(other.update, other.generation);
    }
  };
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
