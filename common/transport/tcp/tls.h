#pragma once

#include <asio/awaitable.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/ssl/stream.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "common/transport/channel.h"

namespace paci {

using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;
enum class TlsSide { kDialler, kAcceptor };

// Encrypts a connection whose handshake (handshake.h) is done. TLS 1.3 with a key that both ends
// make of the link's secret and its id, and of a Diffie-Hellman exchange: no certificates, and who
// learns the secret later cannot read what was sent. Ends with an error when the socket is closed.
TlsStream MakeTlsStream(asio::ip::tcp::socket socket, TlsSide side, const LinkId& link,
                        const std::string& secret);
// UNAVAILABLE: the peer went away, or does not know the key.
asio::awaitable<absl::Status> Encrypt(TlsStream& stream, TlsSide side);

}  // namespace paci
