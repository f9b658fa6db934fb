#include "tests/unit/transport/raw_peer.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/address.h"

namespace paci {
namespace {

int Check(int result, const char* call) {
  if (result >= 0) return result;
  std::perror(call);
  std::abort();
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

}  // namespace

RawPeer RawPeer::Dial(const std::string& address) {
  const int fd = Check(socket(AF_INET, SOCK_STREAM, 0), "socket");
  const sockaddr_in to = Loopback(ParseHostPort(address)->port);
  Check(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), "connect");
  return RawPeer(fd);
}

RawPeer::RawPeer(RawPeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RawPeer::~RawPeer() {
  if (fd_ >= 0) close(fd_);
}

void RawPeer::Send(absl::Span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;  // closed by the other end, which is what the tests look at
    bytes.remove_prefix(sent);
  }
}

void RawPeer::Send(absl::string_view text) {
  Send(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

void RawPeer::FinishSending() { shutdown(fd_, SHUT_WR); }

std::vector<std::byte> RawPeer::Read(size_t count) {
  std::vector<std::byte> bytes(count);
  size_t size = 0;
  while (size < count) {
    const ssize_t got = recv(fd_, bytes.data() + size, count - size, 0);
    if (got <= 0) break;
    size += got;
  }
  bytes.resize(size);
  return bytes;
}

std::vector<std::byte> RawPeer::ReadUntilClosed() {
  std::vector<std::byte> all;
  for (;;) {
    const std::vector<std::byte> some = Read(1);
    if (some.empty()) return all;
    all.push_back(some[0]);
  }
}

Nonce RawPeer::ReadGreeting() {
  const std::vector<std::byte> bytes = Read(kGreetingBytes);
  GreetingBytes greeting{};
  std::copy(bytes.begin(), bytes.end(), greeting.begin());
  return *DecodeGreeting(greeting);
}

Verdict RawPeer::Introduce(const LinkId& link, const std::string& secret,
                           IntroductionBytes* introduction) {
  const Nonce acceptor = ReadGreeting();
  const Nonce dialler = RandomNonce();
  const IntroductionBytes sent =
      EncodeIntroduction({link, dialler, Prove(Prover::kDialler, secret, link, dialler, acceptor)});
  if (introduction != nullptr) *introduction = sent;
  Send(sent);
  const std::vector<std::byte> bytes = Read(kVerdictBytes);
  VerdictBytes verdict{};
  std::copy(bytes.begin(), bytes.end(), verdict.begin());
  return *DecodeVerdict(verdict);
}

RawListener::RawListener() : fd_(Check(socket(AF_INET, SOCK_STREAM, 0), "socket")) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  Check(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), "bind");
  Check(listen(fd_, 16), "listen");
  Check(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  address_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
}

RawListener::~RawListener() { close(fd_); }

RawPeer RawListener::Accept() { return RawPeer(Check(accept(fd_, nullptr, nullptr), "accept")); }

}  // namespace paci
