#pragma once

// worker/engine: everything that the agent asks of LibTorch, behind worker/agent's Engine.

#include <cstdint>
#include <memory>

#include "common/config/path_roots.h"
#include "worker/agent/engine.h"

namespace paci {

// `threads`: compute threads of a job that names none. Files outside `roots` are neither read nor
// written for any job.
std::unique_ptr<Engine> MakeTorchEngine(uint32_t threads, PathRoots roots);

// What this machine makes of a float32 matrix product, in floating-point operations a second.
// Takes half a second.
double MeasureMatmulFlops(uint32_t threads);

}  // namespace paci
