#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <functional>

#include "absl/status/statusor.h"
#include "common/transport/channel.h"
#include "common/transport/tcp/wire.h"

namespace paci {

// The two sides of tcp/wire.h's handshake, on a connected socket. Both end with an error when the
// socket is closed, which is how their caller ends them in time.

// OK: the peer accepts the link and knows its secret. NOT_FOUND: nobody there accepts it (yet).
// PERMISSION_DENIED: the secrets differ. Else UNAVAILABLE or INVALID_ARGUMENT.
asio::awaitable<absl::Status> Introduce(asio::ip::tcp::socket& socket, const LinkId& link,
                                        const std::string& secret);

// Finds the secret of a link that is awaited here; nullptr if it is not.
using FindSecret = std::function<const std::string*(const LinkId&)>;
// The link that the peer proved to belong to.
asio::awaitable<absl::StatusOr<LinkId>> Examine(asio::ip::tcp::socket& socket,
                                                const FindSecret& find_secret);

}  // namespace paci
