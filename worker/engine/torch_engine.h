#pragma once

// worker/engine: everything that the agent asks of LibTorch, behind worker/agent's Engine.

#include <cstdint>
#include <memory>

#include "common/config/path_roots.h"
#include "worker/agent/engine.h"

namespace paci {

// `threads`: compute threads of a job that names none. `gpu`: the CUDA device that it computes on,
// which LoadTorchCuda has found; kNoGpu: the CPU. Files outside `roots` are neither read nor
// written for any job.
std::unique_ptr<Engine> MakeTorchEngine(uint32_t threads, PathRoots roots, int gpu);

// What the device makes of a matrix product, of float32 on the CPU and of BFloat16 on a GPU, in
// floating-point operations a second. Takes half a second.
double MeasureMatmulFlops(uint32_t threads, int gpu);

}  // namespace paci
