#pragma once

// worker/device: what depends on where a stage's tensors lie. LibTorch's own layer of devices is
// used, which is one for all of them: nothing of CUDA is included or linked, and LibTorch's CUDA
// half is loaded when a worker is asked to compute there.

#include <string>

#include "absl/status/status.h"

namespace paci {

// Loads libtorch_cuda.so. NOT_FOUND: it, or a library that it needs, cannot be loaded, and which;
// FAILED_PRECONDITION: it finds no device. Again: the same answer.
absl::Status LoadTorchCuda();

// What `paci-worker --probe` prints: driver, devices, libraries, each with its version or what is
// missing. `is_complete`: all that a job on a GPU needs is here.
struct GpuReport {
  std::string text;
  bool is_complete = false;
};
GpuReport ProbeGpus();

}  // namespace paci
