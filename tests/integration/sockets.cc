#include "tests/integration/sockets.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/rpc/address.h"

namespace paci {

Socket::Socket(const std::string& address) {
  const auto parsed = ParseHostPort(address);
  EXPECT_TRUE(parsed.ok()) << address;
  if (!parsed.ok()) return;
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(parsed->port);
  inet_pton(AF_INET, parsed->host.c_str(), &to.sin_addr);
  descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(connect(descriptor_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0) << address;
}

Socket::~Socket() { close(descriptor_); }

void Socket::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(sent);
  }
}

std::string Socket::ReadToEnd() {
  std::string all;
  char buffer[65536];
  for (;;) {
    const ssize_t got = recv(descriptor_, buffer, sizeof(buffer), 0);
    if (got <= 0) return all;
    all.append(buffer, got);
  }
}

std::string HttpGet(const std::string& address, const std::string& path) {
  Socket socket(address);
  socket.Send(absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", address, "\r\n\r\n"));
  const std::string answer = socket.ReadToEnd();
  const bool is_ok = absl::StartsWith(answer.substr(answer.find(' ') + 1), "200 ");
  EXPECT_TRUE(is_ok) << address << path << ": " << answer.substr(0, 200);
  const size_t end_of_head = answer.find("\r\n\r\n");
  return end_of_head == std::string::npos ? "" : answer.substr(end_of_head + 4);
}

double Sample(absl::string_view text, absl::string_view series) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    double value = 0;
    if (absl::StartsWith(line, absl::StrCat(series, " ")) &&
        absl::SimpleAtod(line.substr(series.size() + 1), &value)) {
      return value;
    }
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace paci
