#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "common/transport/channel.h"
#include "common/transport/tcp/wire.h"

namespace paci {

// A connection to a data port made with bare system calls, for saying what no transport would say.
// Single-threaded; failures of its own end the test process.
class RawPeer {
 public:
  // Dials HOST:PORT.
  static RawPeer Dial(const std::string& address);
  explicit RawPeer(int fd) : fd_(fd) {}
  RawPeer(RawPeer&& other) noexcept;
  ~RawPeer();

  int fd() const { return fd_; }
  void Send(absl::Span<const std::byte> bytes);
  void Send(absl::string_view text);
  // Says that nothing more follows.
  void FinishSending();
  // Reads exactly `count` bytes; fewer if the connection ends before.
  std::vector<std::byte> Read(size_t count);
  // Blocks until the other end has closed the connection; the bytes that came until then.
  std::vector<std::byte> ReadUntilClosed();

  Nonce ReadGreeting();
  // A dialler's whole handshake. What it sent is in `introduction`.
  Verdict Introduce(const LinkId& link, const std::string& secret,
                    IntroductionBytes* introduction = nullptr);

 private:
  int fd_;
};

// A listening socket on a free port of 127.0.0.1, with bare system calls.
class RawListener {
 public:
  RawListener();
  ~RawListener();
  const std::string& address() const { return address_; }
  RawPeer Accept();

 private:
  int fd_;
  std::string address_;
};

}  // namespace paci
