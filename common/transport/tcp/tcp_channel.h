#pragma once

#include <asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "common/transport/channel.h"
#include "common/transport/io_thread.h"

namespace paci {

// A connection whose handshake is done, as one end of a channel. `peer` is its address, for errors.
// On the I/O thread.
std::unique_ptr<SendChannel> MakeTcpSender(asio::ip::tcp::socket socket, LinkId link,
                                           std::string peer, bool checksums,
                                           std::shared_ptr<IoThread> io);
std::unique_ptr<ReceiveChannel> MakeTcpReceiver(asio::ip::tcp::socket socket, LinkId link,
                                                std::string peer, bool checksums,
                                                std::shared_ptr<IoThread> io);

}  // namespace paci
