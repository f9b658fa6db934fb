#include "common/web/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

int PortOf(const std::string& address) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  return port;
}

// The whole answer to GET `path` on 127.0.0.1:`port`; empty when nobody listens.
std::string Get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0) {
    const std::string request =
        absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;) answer.append(buffer, n);
  }
  close(fd);
  return answer;
}

TEST(MetricsServer, ServesWhatItExposesAtTheReportedPort) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  auto registry = std::make_shared<prometheus::Registry>();
  (*server)->Expose(registry);
  prometheus::BuildCounter()
      .Name("paci_tokens_total")
      .Help("Tokens trained on")
      .Register(*registry)
      .Add({{"job", "demo-1"}})
      .Increment(42);
  const std::string answer = Get(PortOf((*server)->address()), "/metrics");
  EXPECT_THAT(answer, HasSubstr("200 OK"));
  EXPECT_THAT(answer, HasSubstr("paci_tokens_total{job=\"demo-1\"} 42"));
  registry.reset();
  EXPECT_THAT(Get(PortOf((*server)->address()), "/metrics"), Not(HasSubstr("paci_tokens_total")));
}

TEST(MetricsServer, ServesNothingElse) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT(Get(PortOf((*server)->address()), "/etc/passwd"), HasSubstr("404"));
}

TEST(MetricsServer, ServesThePagesOfItsOwner) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  auto other = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok() && other.ok());
  const auto registry = std::make_shared<prometheus::Registry>();
  (*server)->Expose(registry);
  (*server)->Serve([](absl::string_view path) -> std::optional<std::string> {
    if (path != "/here") return std::nullopt;
    return "<p>it is here</p>";
  });
  const int port = PortOf((*server)->address());
  EXPECT_THAT(Get(port, "/here"), HasSubstr("<p>it is here</p>"));
  EXPECT_THAT(Get(port, "/there"), HasSubstr("404"));
  EXPECT_THAT(Get(port, "/metrics"), HasSubstr("200 OK"));
  EXPECT_THAT(Get(PortOf((*other)->address()), "/here"), HasSubstr("404"));
  (*server)->Serve(nullptr);
  EXPECT_THAT(Get(port, "/here"), HasSubstr("404"));
}

// Opens a connection to 127.0.0.1:`port` and says `what`.
int Say(int port, const std::string& what) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  EXPECT_EQ(send(fd, what.data(), what.size(), MSG_NOSIGNAL), static_cast<ssize_t>(what.size()));
  return fd;
}

TEST(MetricsServer, WhoeverIsSilentKeepsNoReaderOut) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = PortOf((*server)->address());
  std::vector<int> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(Say(port, i % 2 == 0 ? "" : "GET / HTTP/1.1\r\n"));
  EXPECT_THAT(Get(port, "/metrics"), HasSubstr("200 OK"));
  // The first had to make room long ago.
  char byte = 0;
  EXPECT_EQ(recv(silent[0], &byte, 1, 0), 0);
  for (const int fd : silent) close(fd);
}

TEST(MetricsServer, WhatIsNoRequestOrTooLongIsRefused) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = PortOf((*server)->address());
  for (const std::string& what : {std::string("hello\r\n\r\n"), std::string(16 << 10, 'x')}) {
    const int fd = Say(port, what);
    std::string answer(12, '\0');
    EXPECT_EQ(recv(fd, answer.data(), answer.size(), MSG_WAITALL), 12);
    EXPECT_EQ(answer, "HTTP/1.1 400");
    close(fd);
  }
}

TEST(MetricsServer, StopsWhenDestroyed) {
  auto server = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(server.ok()) << server.status();
  const int port = PortOf((*server)->address());
  server->reset();
  EXPECT_EQ(Get(port, "/metrics"), "");
}

TEST(MetricsServer, APortInUseIsAnErrorThatSaysSo) {
  auto first = MetricsServer::Start({.listen = "127.0.0.1:0"});
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = MetricsServer::Start({.listen = (*first)->address()});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->address()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("Address already in use"));
}

TEST(MetricsServer, AnAddressOfAnotherMachineIsAnError) {
  auto server =
      MetricsServer::Start({.listen = "192.0.2.1:0"});  // set aside for documentation: nobody's
  EXPECT_EQ(server.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("192.0.2.1:0"));
}

TEST(MetricsServer, WhatIsNotHostAndPortIsRefused) {
  for (const char* address :
       {"", "9090", ":9090", "localhost", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:80s", "127.0.0.1:80,81", "127.0.0.1:+80", "a b:80", "[]:80", "::1:80"}) {
    auto server = MetricsServer::Start({.listen = address});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr("is not HOST:PORT"));
  }
}

}  // namespace
}  // namespace paci
