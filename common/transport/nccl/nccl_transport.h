#pragma once

// common/transport/nccl: payloads go from GPU to GPU. A link has a communicator of two ranks and a
// stream of its own, so that a forward and a backward never wait for each other, and beside it a
// connection of another transport, the control:
//   - it authenticates the link, and carries the communicator's id;
//   - it announces each frame, in order, when its transfer is put on the sender's stream. A receive
//     is put on the receiver's only then, and only if the tag and the size are the expected ones:
//     no transfer waits on the device for one that does not match it, or long for its peer;
//   - its end is the peer's end, which NCCL itself may never notice. What is on the stream is then
//     aborted.
// NCCL joins two devices, never one with itself: see staged_transport.h.

#include <memory>

#include "common/gpu/nccl_api.h"
#include "common/transport/channel.h"

namespace paci {

// All of them outlive it and its channels. Its address is that of `control`. Accept and Connect
// fail with what they fail with there, with INVALID_ARGUMENT when the link is to be encrypted, and
// with DEADLINE_EXCEEDED when the peer is there and its GPU does not join. A channel that NCCL or
// the device fails is INTERNAL, with their words.
std::unique_ptr<Transport> MakeNcclTransport(CudaApi* cuda, NcclApi* nccl, Transport* control);

}  // namespace paci
