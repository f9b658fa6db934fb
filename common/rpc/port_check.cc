#include "common/rpc/port_check.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

// Empty: nothing is wrong with it.
std::string TryToListen(const addrinfo& address) {
  const int descriptor = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return std::strerror(errno);
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  const bool listens =
      bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 && listen(descriptor, 1) == 0;
  std::string why = listens ? "" : std::strerror(errno);
  close(descriptor);
  return why;
}

}  // namespace

absl::Status WhyNotListening(const HostPort& address) {
  const std::string what = absl::StrCat("cannot listen on ", ToString(address), ": ");
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string port = absl::StrCat(address.port);
  const int error = getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) return absl::UnavailableError(absl::StrCat(what, gai_strerror(error)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  for (const addrinfo* next = found; next != nullptr; next = next->ai_next) {
    const std::string why = TryToListen(*next);
    if (!why.empty()) return absl::UnavailableError(absl::StrCat(what, why));
  }
  return absl::UnavailableError(absl::StrCat(what, "gRPC gave no reason"));
}

}  // namespace paci
