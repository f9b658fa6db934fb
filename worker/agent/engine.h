#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"
#include "worker/stage/compute.h"

namespace paci {

// What the agent asks of the worker's arithmetic; keeps LibTorch out of the agent. Thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;
  // For the stage that `command.key()` names, as it is in `state`; null: as the command says.
  // Called on the thread that will use it.
  virtual absl::StatusOr<std::unique_ptr<StageCompute>> MakeCompute(const v1::PrepareStage& command,
                                                                    const StateCopy* state) = 0;
  virtual absl::StatusOr<v1::LayerCosts> MeasureLayers(const v1::JobSpec& spec) = 0;
  // Writes the manifest of a checkpoint whose files are all durable, then applies `keep`.
  virtual absl::Status CommitCheckpoint(const v1::JobSpec& spec,
                                        const v1::CommitCheckpoint& command) = 0;
  virtual absl::StatusOr<v1::GenerateResponse> Generate(const v1::GenerateText& command) = 0;
};

}  // namespace paci
