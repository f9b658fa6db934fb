#pragma once

#include <array>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/gpu/cuda_api.h"

namespace paci {

// A handle of the library: one rank of a communicator of two.
using NcclComm = void*;
using NcclId = std::array<std::byte, 128>;

// Communicators of two ranks, of which rank 0 sends and rank 1 receives, that do not block. Calls
// about one communicator come from one thread, on which a CudaApi has been used: on its device.
class NcclApi {
 public:
  virtual ~NcclApi() = default;

  // For one communicator; the process lives as long as it.
  virtual absl::StatusOr<NcclId> MakeId() = 0;

  // What a call leaves behind: nothing, or work that Poll follows. Until it is done no other call
  // may be made but Poll and Abort, and what it puts on a stream may not be there yet.
  enum class Progress { kDone, kUnderWay };

  // Begins to join, as `rank` 0 or 1.
  virtual absl::StatusOr<NcclComm> Join(const NcclId& id, int rank) = 0;
  // Not OK: the communicator is of no more use than to be aborted.
  virtual absl::StatusOr<Progress> Poll(NcclComm comm) = 0;

  // Puts the transfer of bytes to or from the other rank on the stream. It is done when the other
  // rank's is: both carry the same number of bytes, and meet in the order of the calls.
  virtual absl::StatusOr<Progress> Send(NcclComm comm, absl::Span<const std::byte> payload,
                                        CudaStream stream) = 0;
  virtual absl::StatusOr<Progress> Receive(NcclComm comm, absl::Span<std::byte> into,
                                           CudaStream stream) = 0;

  // Ends the communicator whatever its state, and what it has put on a stream with it.
  virtual void Abort(NcclComm comm) = 0;
};

}  // namespace paci
