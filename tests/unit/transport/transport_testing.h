#pragma once

// What the tests of transports share: networks to run on, completions to wait for, payloads.

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/transport/channel.h"
#include "common/transport/inproc/inproc_transport.h"
#include "common/transport/tcp/tcp_transport.h"
#include "tests/support/delaying_transport.h"

namespace paci {

// What a callback brought, and how often it was called. Thread-safe; copies share it.
template <typename Value>
class Outcome {
 public:
  auto Callback() const {
    return [state = state_](Value value) {
      absl::MutexLock lock(&state->mutex);
      ++state->calls;
      if (!state->value.has_value()) state->value.emplace(std::move(value));
    };
  }
  // Blocks until the callback was called.
  Value Take() const {
    absl::MutexLock lock(&state_->mutex);
    const auto is_called = [this] { return state_->calls > 0; };
    state_->mutex.Await(absl::Condition(&is_called));
    return std::move(*state_->value);
  }
  int calls() const {
    absl::MutexLock lock(&state_->mutex);
    return state_->calls;
  }

 private:
  struct State {
    absl::Mutex mutex;
    int calls = 0;
    std::optional<Value> value;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

using Transfer = Outcome<absl::Status>;
using Accepted = Outcome<absl::StatusOr<std::unique_ptr<ReceiveChannel>>>;
using Connected = Outcome<absl::StatusOr<std::unique_ptr<SendChannel>>>;

// Transports that reach each other.
struct Network {
  std::string name;
  std::function<std::function<std::unique_ptr<Transport>()>()> make;
};

inline Network InprocNetwork() {
  return {"Inproc", [] { return [hub = MakeInprocHub()] { return MakeInprocTransport(hub); }; }};
}

inline Network TcpNetwork() {
  return {"Tcp", [] { return [] { return *ListenTcp(TcpOptions()); }; }};
}

inline Network Delayed(const Network& inner) {
  return {"Delayed" + inner.name, [inner] {
            return [make = inner.make(), seed = uint64_t{0}]() mutable {
              return MakeDelayingTransport(make(), ++seed, absl::Microseconds(200));
            };
          }};
}

// Encrypts every link.
class EncryptingTransport final : public Transport {
 public:
  explicit EncryptingTransport(std::unique_ptr<Transport> inner) : inner_(std::move(inner)) {}
  std::string address() const override { return inner_->address(); }
  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    inner_->Accept(link, Encrypted(options), deadline, std::move(done));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    inner_->Connect(address, link, Encrypted(options), deadline, std::move(done));
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    inner_->Cancel(job_id, generation);
  }

 private:
  static LinkOptions Encrypted(LinkOptions options) {
    options.encrypt = true;
    return options;
  }
  const std::unique_ptr<Transport> inner_;
};

inline Network EncryptedTcpNetwork() {
  return {"EncryptedTcp", [] {
            return [] { return std::make_unique<EncryptingTransport>(*ListenTcp(TcpOptions())); };
          }};
}

using Bytes = std::vector<std::byte>;

// Different for every seed, at every size.
inline Bytes MakePayload(size_t size, uint64_t seed) {
  Bytes bytes(size);
  uint64_t state = seed * 0x9e3779b97f4a7c15 + size;
  for (std::byte& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<std::byte>(state >> 56);
  }
  return bytes;
}

// Generous: only a test that hangs ever gets there.
inline absl::Time Later() { return absl::Now() + absl::Seconds(60); }
inline absl::Time Soon() { return absl::Now() + absl::Milliseconds(60); }

inline FrameTag Activation(uint64_t index) { return {FrameKind::kActivation, 0, index}; }

inline LinkId MakeLink(uint32_t from, uint32_t to, uint64_t generation = 2) {
  return {"kjv-1", generation, from, to};
}

// The two ends of a channel.
struct Ends {
  std::unique_ptr<SendChannel> sender;
  std::unique_ptr<ReceiveChannel> receiver;
};

inline Ends Join(Transport& from, Transport& to, const LinkId& link,
                 const LinkOptions& options = {"secret", true}) {
  const Accepted accepted;
  const Connected connected;
  to.Accept(link, options, Later(), accepted.Callback());
  from.Connect(to.address(), link, options, Later(), connected.Callback());
  auto sender = connected.Take();
  auto receiver = accepted.Take();
  EXPECT_TRUE(sender.ok()) << sender.status();
  EXPECT_TRUE(receiver.ok()) << receiver.status();
  if (!sender.ok() || !receiver.ok()) std::abort();
  return {*std::move(sender), *std::move(receiver)};
}

inline Transfer Send(SendChannel& channel, FrameTag tag, absl::Span<const std::byte> payload) {
  Transfer transfer;
  channel.Send(tag, payload, transfer.Callback());
  return transfer;
}

inline Transfer Receive(ReceiveChannel& channel, FrameTag tag, absl::Span<std::byte> into) {
  Transfer transfer;
  channel.Receive(tag, into, transfer.Callback());
  return transfer;
}

// Sends until the channel is closed; why it is.
inline absl::Status SendUntilClosed(SendChannel& channel) {
  const Bytes payload = MakePayload(1 << 16, 0);
  for (uint64_t i = 1000;; ++i) {
    absl::Status status = Send(channel, Activation(i), payload).Take();
    if (!status.ok()) return status;
  }
}

}  // namespace paci
