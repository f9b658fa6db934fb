#pragma once

// worker/compute: the arithmetic of a stage on LibTorch, behind worker/stage's StageCompute. A
// backward runs on the activations that its forward saved and on the weights as they are now (PACI,
// section 3): the optimizer steps in place, and autograd holds no copy of a weight.

#include <memory>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"
#include "worker/stage/compute.h"

namespace paci {

inline constexpr int kNoGpu = -1;

// The stage that `command.key()` names, with its weights as they are before the first update, or as
// the checkpoint to resume from has them, NOT_FOUND or DATA_LOSS when that is damaged, or as in
// `state`, a copy of the stage, where there is one. Opens the data files at the first and the last
// stage. `threads`: of this stage's arithmetic, set for the calling thread. `gpu`: the CUDA device
// that it computes on, which LoadTorchCuda has found; kNoGpu: the CPU.
absl::StatusOr<std::unique_ptr<StageCompute>> MakeTorchCompute(const v1::PrepareStage& command,
                                                               uint32_t threads,
                                                               const StateCopy* state = nullptr,
                                                               int gpu = kNoGpu);

}  // namespace paci
