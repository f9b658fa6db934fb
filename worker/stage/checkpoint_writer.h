#pragma once

#include <cstdint>
#include <optional>
#include <thread>

#include "absl/status/status.h"
#include "worker/stage/compute.h"
#include "worker/stage/stage_monitor.h"

namespace paci {

// Writes a stage's checkpoints beside its training: the copy is made on the stage's thread, and
// written on the thread "paci-checkpoint", which lives as long as the write. One write at a time,
// so that one copy is enough; a part, or why it could not be written, goes to the monitor. Called
// on the stage's thread. `compute` and `monitor` outlive it.
class CheckpointWriter {
 public:
  CheckpointWriter(StageCompute* compute, StageMonitor* monitor)
      : compute_(compute), monitor_(monitor) {}
  // Ends the write at hand first.
  ~CheckpointWriter() { Await(); }
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // What a part says beside its files; drift: as CheckpointPart has it.
  struct Remarks {
    int64_t update = 0;
    std::optional<double> validation_loss;
    std::optional<double> drift;
  };
  // Copies the stage as it is after `remarks.update` updates, once the write before has ended, and
  // begins to write the copy. An error is of the copy.
  absl::Status Begin(const Remarks& remarks);
  // Blocks until no write is under way.
  void Await();

 private:
  // What a checkpoint held the stage up for: the write before, and the copy.
  struct Stall {
    double wait_seconds;
    double copy_seconds;
  };
  void Write(const Remarks& remarks, const Stall& stall);

  StageCompute* const compute_;
  StageMonitor* const monitor_;
  std::thread thread_;  // joinable: there may be a write under way
};

}  // namespace paci
