#pragma once

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace paci {

// Closes a socket when the time is over, unless it goes out of scope first. On the thread of the
// socket.
class SocketDeadline {
 public:
  SocketDeadline(asio::ip::tcp::socket& socket, std::chrono::nanoseconds after)
      : timer_(socket.get_executor(), after),
        socket_(std::make_shared<asio::ip::tcp::socket*>(&socket)) {
    timer_.async_wait([socket = socket_](const std::error_code& cancelled) {
      std::error_code ignored;
      if (!cancelled && *socket != nullptr) (*socket)->close(ignored);
    });
  }
  // The handler may be queued already, beyond the reach of a cancellation.
  ~SocketDeadline() { *socket_ = nullptr; }
  SocketDeadline(const SocketDeadline&) = delete;
  SocketDeadline& operator=(const SocketDeadline&) = delete;

 private:
  asio::steady_timer timer_;
  const std::shared_ptr<asio::ip::tcp::socket*> socket_;
};

}  // namespace paci
