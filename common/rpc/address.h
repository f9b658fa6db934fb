#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

struct HostPort {
  std::string host;  // a name, an IPv4 address, or an IPv6 address without its brackets
  uint16_t port = 0;

  bool operator==(const HostPort&) const = default;
};

// "127.0.0.1:7070", "worker-1:7070", "[::1]:7070"
std::string ToString(const HostPort& address);

// INVALID_ARGUMENT quotes `text` and says what is wrong with it and what would be right.
absl::StatusOr<HostPort> ParseHostPort(absl::string_view text);

}  // namespace paci
