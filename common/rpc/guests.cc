#include "common/rpc/guests.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr absl::Duration kLookEvery = absl::Milliseconds(100);
constexpr size_t kLeast = 16;

}  // namespace

GuestLimits GuestLimits::For(uint64_t descriptors) {
  const GuestLimits most;
  GuestLimits limits;
  limits.in_all = std::clamp<uint64_t>(descriptors / 2, kLeast, most.in_all);
  limits.of_one_address = std::clamp(limits.in_all / 8, kLeast, most.of_one_address);
  return limits;
}

absl::Status Guests::Admit(Guest guest, absl::Time now) {
  absl::Status room = CheckRoom(guest.address);
  if (!room.ok() && now - looked_ >= kLookEvery) {
    LookAgain(now);
    room = CheckRoom(guest.address);
  }
  if (!room.ok()) return room;
  ++of_address_[guest.address];
  guests_.push_back(std::move(guest));
  return room;
}

absl::Status Guests::CheckRoom(const std::string& address) const {
  if (guests_.size() >= limits_.in_all) {
    return absl::ResourceExhaustedError(
        absl::StrCat(guests_.size(), " connections are open, which is the limit"));
  }
  const auto of_address = of_address_.find(address);
  if (of_address != of_address_.end() && of_address->second >= limits_.of_one_address) {
    return absl::ResourceExhaustedError(absl::StrCat(of_address->second, " connections from ",
                                                     address,
                                                     " are open, which is the limit for one "
                                                     "address"));
  }
  return absl::OkStatus();
}

void Guests::LookAgain(absl::Time now) {
  looked_ = now;
  const auto gone = std::remove_if(guests_.begin(), guests_.end(),
                                   [this](const Guest& guest) { return !is_there_(guest); });
  guests_.erase(gone, guests_.end());
  of_address_.clear();
  for (const Guest& guest : guests_) ++of_address_[guest.address];
}

}  // namespace paci
