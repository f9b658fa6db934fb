#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/state_copy.h"

namespace paci {

// Writes a stage's part of a checkpoint from a copy, so that training goes on meanwhile. The copy
// and Write exclude each other; they may be used on different threads.
class PartSnapshot {
 public:
  StateCopy& copy() { return copy_; }
  // WritePart of the copy. What earlier calls wrote for updates up to `settled_update`, each
  // committed or given up, goes first if its folder has no manifest: no checkpoint will have it.
  absl::StatusOr<v1::CheckpointPart> Write(const std::string& directory, uint64_t settled_update);

 private:
  void RemoveGivenUp(uint64_t settled_update);

  struct Written {
    std::string directory;
    v1::CheckpointPart part;
  };
  std::vector<Written> written_;  // of updates that were not settled when last asked
  StateCopy copy_;
};

}  // namespace paci
