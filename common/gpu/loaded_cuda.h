#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/gpu/cuda_api.h"

namespace paci {

struct GpuDevice {
  int ordinal = 0;
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-" and 36 characters: the same for every process of every machine
  uint64_t memory_bytes = 0;
};

// The devices that the driver has, in its order. NOT_FOUND: there is no driver (libcuda.so.1);
// UNAVAILABLE: there is one, and what it says.
absl::StatusOr<std::vector<GpuDevice>> ListGpus();
// "13.2": what the driver supports. Errors as above.
absl::StatusOr<std::string> CudaDriverVersion();
// "13.2": of libcudart.so.13. NOT_FOUND: it cannot be loaded.
absl::StatusOr<std::string> CudaRuntimeVersion();

// CUDA's runtime for device `ordinal`. Errors as of ListGpus; OUT_OF_RANGE: no such device.
absl::StatusOr<std::unique_ptr<CudaApi>> OpenCuda(int ordinal);

}  // namespace paci
