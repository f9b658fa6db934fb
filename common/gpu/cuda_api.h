#pragma once

// common/gpu: what the data plane asks of CUDA and NCCL, as two thin tables of functions, so that
// the order of its calls is tested where there is no GPU (tests/support/gpu_world.h), and no binary
// is linked to a library that a machine without a GPU lacks: loaded_cuda.h and loaded_nccl.h fill
// them at run time.

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace paci {

// Handles of the library, each of one device.
using CudaStream = void*;
using CudaEvent = void*;

// Stages compute on the device's default stream.
inline constexpr CudaStream kComputeStream = nullptr;

// One device. Thread-safe; nothing here waits for the device but Synchronize. A failed kernel of
// any stream is an INTERNAL error of every later call.
class CudaApi {
 public:
  virtual ~CudaApi() = default;

  // Work on it does not wait for work on the default stream.
  virtual absl::StatusOr<CudaStream> CreateStream() = 0;
  virtual void DestroyStream(CudaStream stream) = 0;
  // Blocks until all that was put on the stream is done.
  virtual absl::Status Synchronize(CudaStream stream) = 0;

  virtual absl::StatusOr<CudaEvent> CreateEvent() = 0;
  // What waits for it goes on waiting.
  virtual void DestroyEvent(CudaEvent event) = 0;
  // The event passes when all that was put on the stream before is done.
  virtual absl::Status Record(CudaEvent event, CudaStream stream) = 0;
  virtual absl::StatusOr<bool> HasPassed(CudaEvent event) = 0;
  // What is put on the stream from now on waits for the event.
  virtual absl::Status MakeWait(CudaStream stream, CudaEvent event) = 0;

  // Memory of the host that the device copies from and to by itself.
  virtual absl::StatusOr<std::byte*> AllocatePinned(size_t bytes) = 0;
  virtual void FreePinned(std::byte* memory) = 0;
  // Puts the copy of `bytes` on the stream; one side is pinned, the other on the device.
  virtual absl::Status Copy(std::byte* to, const std::byte* from, size_t bytes,
                            CudaStream stream) = 0;
};

}  // namespace paci
