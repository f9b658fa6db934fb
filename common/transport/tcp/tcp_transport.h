#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/transport/channel.h"

namespace paci {

struct TcpOptions {
  std::string listen = "127.0.0.1:0";  // HOST:PORT; port 0 takes a free one
  // What neighbours dial; empty: the host of `listen`, which must not be a wildcard then.
  std::string advertise_host;
  absl::Duration handshake_timeout = absl::Seconds(5);
  // Connections that have not proved themselves. One more takes the place of another (lobby.h): an
  // honest neighbour is through in a round trip, however many are silent.
  size_t max_pending_handshakes = 256;
};

// Channels over TCP, one connection each (tcp/wire.h has the bytes). One thread, "paci-io", however
// many links. Errors: INVALID_ARGUMENT for an address that is none, UNAVAILABLE when it cannot be
// listened on.
absl::StatusOr<std::unique_ptr<Transport>> ListenTcp(const TcpOptions& options);

}  // namespace paci
