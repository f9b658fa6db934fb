#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace paci {

// How many connections may be open at once: 1 <= of_one_address <= in_all.
struct GuestLimits {
  size_t in_all = 8192;
  size_t of_one_address = 1024;

  // Half of what a process may have open, and an eighth of that for one address; at least 16, at
  // most the above.
  static GuestLimits For(uint64_t descriptors);
};

struct Guest {
  int descriptor = -1;
  uint64_t inode = 0;   // of the socket: a descriptor may be somebody else's by now
  std::string address;  // of the peer, without its port
};

// Counts connections that were handed to somebody who does not say when they end: it looks at them
// again when they seem to be too many, at most ten times a second. Single-threaded.
class Guests {
 public:
  // `is_there`: whether a guest's connection is still open.
  Guests(const GuestLimits& limits, std::function<bool(const Guest&)> is_there)
      : limits_(limits), is_there_(std::move(is_there)) {}

  // OK: there is room, and it is counted. RESOURCE_EXHAUSTED says which limit is reached.
  absl::Status Admit(Guest guest, absl::Time now);

  size_t size() const { return guests_.size(); }  // <= limits.in_all

 private:
  absl::Status CheckRoom(const std::string& address) const;
  void LookAgain(absl::Time now);

  const GuestLimits limits_;
  const std::function<bool(const Guest&)> is_there_;
  std::vector<Guest> guests_;
  std::map<std::string, size_t> of_address_;
  absl::Time looked_ = absl::InfinitePast();
};

}  // namespace paci
