#pragma once

// Moves byte spans between neighbouring stages. A channel is one direction of one link: activations
// one way, gradients the other, so that neither waits for the other. tests/unit/transport holds the
// one conformance suite that tcp/ and inproc/ (for tests) both pass. Nothing here knows of tensors
// or schedules.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace paci {

enum class FrameKind : uint8_t {
  kActivation = 1,  // of a training micro-batch
  kGradient = 2,    // of a training micro-batch, with respect to the activation
  kEvaluation = 3,  // activation of a validation micro-batch
  kStateCopy = 4,   // a part of a copy of a stage's state
  kControl = 5,     // what a transport over another one says for itself
  kTied = 6,        // of a tied head: the embedding's matrix, or the gradient of the head's copy
};

// What a frame carries. The receiver always knows which tag comes next; any other is an error.
struct FrameTag {
  FrameKind kind = FrameKind::kActivation;
  uint32_t chunk = 0;  // of the receiving stage's model chunks
  uint64_t index = 0;  // of the micro-batch, counted over the run; of the parts, over the link

  bool operator==(const FrameTag&) const = default;
};

// "activation 17"
std::string ToString(const FrameTag& tag);

// One direction of the link between two stages, in one incarnation of a job's pipeline.
struct LinkId {
  std::string job_id;  // 1..64 bytes
  uint64_t generation = 0;
  uint32_t from_stage = 0;
  uint32_t to_stage = 0;
  uint8_t lane = 0;  // tells links between the same two stages apart

  bool operator==(const LinkId&) const = default;
};

// "job kjv-1, generation 2, stage 0 -> 1"
std::string ToString(const LinkId& link);

// OK if the frame that came is the one that comes next; else INVALID_ARGUMENT naming both.
absl::Status CheckFrame(const LinkId& link, const FrameTag& expected, size_t expected_bytes,
                        const FrameTag& got, uint64_t got_bytes);

struct ChannelStats {
  uint64_t frames = 0;
  uint64_t payload_bytes = 0;
};

// Called exactly once, on an I/O thread of the transport or inside Close or the destructor; must
// not block, nor destroy its own channel. After an error the channel is closed: everything still
// outstanding, and every later call, completes with that same error.
using TransferDone = absl::AnyInvocable<void(absl::Status)>;

// The sending end. Thread-safe. The destructor aborts what is outstanding, and returns after the
// last callback.
class SendChannel {
 public:
  virtual ~SendChannel() = default;
  // Frames leave in the order of the calls. `payload` must stay valid and unchanged until `done`,
  // which means: handed to the network, not that the peer has it.
  virtual void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) = 0;
  // Aborts with `reason`, which must not be OK.
  virtual void Close(absl::Status reason) = 0;
  virtual ChannelStats stats() const = 0;
  // OK, or why it is closed: a peer's end is noticed whether or not anything is outstanding.
  virtual absl::Status status() const = 0;
};

// The receiving end. Thread-safe; the same destructor rule.
class ReceiveChannel {
 public:
  virtual ~ReceiveChannel() = default;
  // Receives are posted before frames arrive and complete in the order of the calls. The next frame
  // must carry exactly `expected` and exactly into.size() bytes: anything else closes the channel
  // with INVALID_ARGUMENT naming both. A peer that went away is UNAVAILABLE; a damaged payload is
  // DATA_LOSS. A frame for which no receive is posted stays in the network: that is the flow
  // control.
  virtual void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) = 0;
  virtual void Close(absl::Status reason) = 0;
  virtual ChannelStats stats() const = 0;
  // The same, while a receive is posted.
  virtual absl::Status status() const = 0;
};

// How a transport authenticates and checks one link.
struct LinkOptions {
  std::string secret;     // shared by the job's stages for this generation; never sent
  bool checksums = true;  // xxh3 of each payload in its frame
  bool encrypt = false;   // both ends say the same
};

// Makes channels, which outlive it. Thread-safe. The sending side dials; the receiving side must
// have called Accept for the same link, or the dialler tries again until its deadline. The
// destructor cancels what is pending.
class Transport {
 public:
  using OnReceiveChannel =
      absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<ReceiveChannel>>)>;
  using OnSendChannel = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<SendChannel>>)>;

  virtual ~Transport() = default;
  // HOST:PORT that a neighbour dials.
  virtual std::string address() const = 0;
  // Each callback is called exactly once, on an I/O thread, inside Cancel or inside the destructor:
  // with the channel, or DEADLINE_EXCEEDED, CANCELLED; Accept also ALREADY_EXISTS while an earlier
  // Accept of the link is pending here; Connect also PERMISSION_DENIED when the peer knows another
  // secret, INVALID_ARGUMENT when `address` is none, FAILED_PRECONDITION when the peer speaks
  // another version.
  virtual void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
                      OnReceiveChannel done) = 0;
  virtual void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
                       absl::Time deadline, OnSendChannel done) = 0;
  // Ends the pending Accepts and Connects of one incarnation of a job: when it returns, their
  // callbacks have been called. Channels that exist are not touched.
  virtual void Cancel(const std::string& job_id, uint64_t generation) = 0;
};

}  // namespace paci
