#include "common/rpc/lobby.h"

#include <algorithm>

namespace paci {

std::optional<uint64_t> Lobby::Enter(uint64_t id, const std::string& address) {
  addresses_[id] = address;
  waiting_[address].push_back(id);
  if (addresses_.size() <= room_) return std::nullopt;
  // Of addresses with as many, the one whose oldest waits longest.
  const auto most =
      std::max_element(waiting_.begin(), waiting_.end(), [](const auto& a, const auto& b) {
        if (a.second.size() != b.second.size()) return a.second.size() < b.second.size();
        return a.second.front() > b.second.front();
      });
  const uint64_t leaves = most->second.front();
  Leave(leaves);
  return leaves;
}

void Lobby::Leave(uint64_t id) {
  const auto found = addresses_.find(id);
  if (found == addresses_.end()) return;
  const auto waiting = waiting_.find(found->second);
  std::deque<uint64_t>& ids = waiting->second;
  ids.erase(std::find(ids.begin(), ids.end(), id));
  if (ids.empty()) waiting_.erase(waiting);
  addresses_.erase(found);
}

}  // namespace paci
