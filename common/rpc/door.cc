#include "common/rpc/door.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace paci {
namespace {

constexpr int kHandshakeMilliseconds = 10'000;
constexpr int kIdleMilliseconds = 60'000;
constexpr int kMaxCalls = 128;
// For descriptors to come back.
constexpr int kPauseMilliseconds = 100;
constexpr absl::Duration kComplainEvery = absl::Minutes(1);

uint64_t InodeOf(int descriptor) {
  struct stat found {};
  return fstat(descriptor, &found) == 0 ? found.st_ino : 0;
}

bool IsThere(const Guest& guest) { return InodeOf(guest.descriptor) == guest.inode; }

// An IPv4 address is the same to listeners of either kind.
std::string ToText(const sockaddr_storage& peer) {
  char text[NI_MAXHOST] = "";
  getnameinfo(reinterpret_cast<const sockaddr*>(&peer), sizeof(peer), text, sizeof(text), nullptr,
              0, NI_NUMERICHOST);
  return std::string(absl::StripPrefix(text, "::ffff:"));
}

uint16_t PortOf(int listener) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &size);
  // The port is at the same place in addresses of both kinds.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&bound)->sin_port);
}

absl::StatusOr<Descriptor> ListenAt(const addrinfo& address, bool is_wildcard) {
  Descriptor listener(
      socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  const int yes = 1;
  const int only_ipv6 = is_wildcard ? 0 : 1;
  setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (address.ai_family == AF_INET6) {
    setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof(only_ipv6));
  }
  if (bind(listener.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(listener.get(), SOMAXCONN) != 0) {
    return absl::UnavailableError(std::strerror(errno));
  }
  return listener;
}

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

absl::StatusOr<Addresses> Resolve(const std::string& host, uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), absl::StrCat(port).c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(gai_strerror(error));
  return Addresses(found, freeaddrinfo);
}

// At every address of a name; those of one kind may be missing.
absl::StatusOr<std::vector<Descriptor>> ListenAtAll(const std::string& host, uint16_t port,
                                                    bool is_wildcard) {
  const absl::StatusOr<Addresses> addresses = Resolve(host, port);
  if (!addresses.ok()) return addresses.status();
  std::vector<Descriptor> listeners;
  absl::Status failed;
  for (const addrinfo* next = addresses->get(); next != nullptr; next = next->ai_next) {
    // A port that was free is the same for all of them.
    if (port == 0 && !listeners.empty()) {
      reinterpret_cast<sockaddr_in*>(next->ai_addr)->sin_port =
          htons(PortOf(listeners.front().get()));
    }
    absl::StatusOr<Descriptor> listener = ListenAt(*next, is_wildcard);
    if (listener.ok()) {
      listeners.push_back(*std::move(listener));
    } else {
      failed.Update(listener.status());
    }
  }
  if (listeners.empty()) return failed;
  return listeners;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Door>> Door::Open(const HostPort& address,
                                                 const GuestLimits& limits) {
  const bool is_wildcard = address.host == "0.0.0.0" || address.host == "::";
  absl::StatusOr<std::vector<Descriptor>> listeners =
      ListenAtAll(is_wildcard ? "::" : address.host, address.port, is_wildcard);
  // A host without IPv6.
  if (!listeners.ok() && address.host == "0.0.0.0") {
    listeners = ListenAtAll(address.host, address.port, is_wildcard);
  }
  if (!listeners.ok()) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", ToString(address), ": ", listeners.status().message()));
  }
  HostPort bound{address.host, PortOf(listeners->front().get())};
  return absl::WrapUnique(new Door(std::move(bound), limits, *std::move(listeners)));
}

Door::Door(HostPort address, const GuestLimits& limits, std::vector<Descriptor> listeners)
    : address_(std::move(address)),
      guests_(limits, IsThere),
      listeners_(std::move(listeners)),
      end_(eventfd(0, EFD_CLOEXEC)) {}

Door::~Door() {
  if (!thread_.joinable()) return;
  eventfd_write(end_.get(), 1);
  thread_.join();
}

void Door::AddTo(grpc::ServerBuilder& builder,
                 const std::shared_ptr<grpc::ServerCredentials>& credentials) {
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleMilliseconds);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxCalls);
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
}

void Door::Admit(std::function<void(const absl::Status& why)> on_full) {
  on_full_ = std::move(on_full);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "paci-door");
}

void Door::Run() {
  std::vector<pollfd> watched = {{end_.get(), POLLIN, 0}};
  for (const Descriptor& listener : listeners_) watched.push_back({listener.get(), POLLIN, 0});
  for (;;) {
    poll(watched.data(), watched.size(), -1);
    if (watched[0].revents != 0) return;
    for (size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].revents == 0 || AdmitNext(watched[i].fd)) continue;
      poll(watched.data(), 1, kPauseMilliseconds);
    }
  }
}

bool Door::AdmitNext(int listener) {
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  Descriptor connection(
      accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (connection.get() < 0) {
    // Others mean that this one connection is gone again.
    return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
  }
  Guest guest{connection.get(), InodeOf(connection.get()), ToText(peer)};
  const absl::Time now = absl::Now();
  if (const absl::Status room = guests_.Admit(std::move(guest), now); !room.ok()) {
    Refuse(room, now);
    return true;
  }
  const int yes = 1;
  setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listener;
  parameters.fd = connection.Release();
  acceptor_->HandleNewConnection(&parameters);
  return true;
}

void Door::Refuse(const absl::Status& why, absl::Time now) {
  if (on_full_ == nullptr || now - complained_ < kComplainEvery) return;
  complained_ = now;
  on_full_(why);
}

}  // namespace paci
