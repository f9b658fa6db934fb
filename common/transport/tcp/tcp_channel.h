#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "common/transport/channel.h"
#include "common/transport/io_thread.h"

namespace paci {

// A connection whose handshake is done, as one end of a channel; `Stream`: tcp::socket or
// TlsStream. `peer` is its address, for errors. On the I/O thread.
template <typename Stream>
std::unique_ptr<SendChannel> MakeTcpSender(Stream stream, LinkId link, std::string peer,
                                           bool checksums, std::shared_ptr<IoThread> io);
template <typename Stream>
std::unique_ptr<ReceiveChannel> MakeTcpReceiver(Stream stream, LinkId link, std::string peer,
                                                bool checksums, std::shared_ptr<IoThread> io);

}  // namespace paci
