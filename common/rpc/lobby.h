#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

namespace paci {

// The connections at a door that have not shown yet who they are. There is room for so many; for
// one more, the oldest of the address that has most of them must leave. So whoever is quick gets
// through, however many are slow, and those of one address cannot crowd out another's.
// Single-threaded.
class Lobby {
 public:
  // `room` >= 1.
  explicit Lobby(size_t room) : room_(room) {}

  // `id` is larger than any before. Who must leave for it, and is not in the lobby any more.
  std::optional<uint64_t> Enter(uint64_t id, const std::string& address);
  // It has shown who it is, or is gone. Nothing for one that had to leave.
  void Leave(uint64_t id);

  size_t size() const { return addresses_.size(); }  // <= room

 private:
  const size_t room_;
  std::map<uint64_t, std::string> addresses_;            // by id
  std::map<std::string, std::deque<uint64_t>> waiting_;  // by address, oldest first
};

}  // namespace paci
