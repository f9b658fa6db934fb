#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/checkpoint.h"

namespace paci {

// A copy of what a stage's part of a checkpoint holds, so that it is written while training goes
// on. The buffer is kept from one checkpoint to the next: as many bytes as the part, from the first
// Take on. Take and Write exclude each other; they may be called on different threads.
class PartSnapshot {
 public:
  // Copies the bytes that `units` refer to: the state after `update` updates. Throws
  // std::bad_alloc.
  void Take(uint64_t update, std::vector<UnitTensors> units);
  // WritePart of the last Take. What earlier calls wrote for updates up to `settled_update`, each
  // committed or given up, goes first if its folder has no manifest: no checkpoint will have it.
  absl::StatusOr<v1::CheckpointPart> Write(const std::string& directory, uint64_t settled_update);

  uint64_t update() const { return update_; }

 private:
  void RemoveGivenUp(uint64_t settled_update);

  struct Written {
    std::string directory;
    v1::CheckpointPart part;
  };
  std::vector<Written> written_;  // of updates that were not settled when last asked
  uint64_t update_ = 0;
  std::vector<UnitTensors> units_;  // their bytes are in buffer_
  std::vector<std::byte> buffer_;
};

}  // namespace paci
