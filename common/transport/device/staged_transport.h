#pragma once

#include <memory>

#include "common/gpu/cuda_api.h"
#include "common/transport/channel.h"

namespace paci {

// Channels whose payloads lie in memory of a GPU, and pass through pinned memory of the host and a
// channel of `host`: between stages that NCCL cannot join, because they share one device or their
// link is to be encrypted. A frame costs a copy at each end beside the transfer; neither waits for
// the stage's later compute, nor holds it up. `cuda` and `host` outlive it and its channels; its
// address is that of `host`.
std::unique_ptr<Transport> MakeStagedTransport(CudaApi* cuda, Transport* host);

}  // namespace paci
