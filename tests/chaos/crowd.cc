#include "tests/chaos/crowd.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

#include "common/daemon/daemon.h"
#include "common/rpc/address.h"

namespace paci {
namespace {

constexpr char kStranger[] = "127.0.0.66";

sockaddr_in Address(const std::string& host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  EXPECT_EQ(inet_pton(AF_INET, host.c_str(), &address.sin_addr), 1) << host;
  return address;
}

bool IsOpen(const Descriptor& connection) {
  pollfd watched{connection.get(), POLLRDHUP, 0};
  return poll(&watched, 1, 0) == 0;
}

}  // namespace

Crowd::Crowd(const std::string& address, size_t size) {
  RaiseDescriptorLimit();
  const absl::StatusOr<HostPort> door = ParseHostPort(address);
  EXPECT_TRUE(door.ok()) << address;
  const sockaddr_in own = Address(kStranger, 0);
  const sockaddr_in to = Address(door->host, door->port);
  while (connections_.size() < size) {
    Descriptor connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connection.get() < 0) break;
    // The port is chosen when it is known for what, so that two crowds share the numbers.
    const int yes = 1;
    setsockopt(connection.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
    EXPECT_EQ(bind(connection.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
    if (connect(connection.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) break;
    connections_.push_back(std::move(connection));
  }
}

size_t Crowd::CountOpen() const {
  return std::count_if(connections_.begin(), connections_.end(), IsOpen);
}

void Crowd::SayOneByteEach(absl::string_view bytes) {
  const char* const next = &bytes[std::min(said_++, bytes.size() - 1)];
  for (const Descriptor& connection : connections_) {
    send(connection.get(), next, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
}

}  // namespace paci
