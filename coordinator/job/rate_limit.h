#pragma once

#include <algorithm>
#include <optional>

#include "absl/time/time.h"

namespace paci {

// So many at once, and after that so many a second. Single-threaded.
class RateLimit {
 public:
  // Both > 0.
  RateLimit(double at_once, double per_second)
      : spacing_(absl::Seconds(1 / per_second)), ahead_(spacing_ * (at_once - 1)) {}

  // nullopt: it is counted. Else it is not, and this is how long to wait for the next.
  std::optional<absl::Duration> Take(absl::Time now) {
    if (full_until_ - now > ahead_) return full_until_ - now - ahead_;
    full_until_ = std::max(full_until_, now) + spacing_;
    return std::nullopt;
  }

 private:
  const absl::Duration spacing_;
  const absl::Duration ahead_;
  // When all that was counted would have been done at the rate.
  absl::Time full_until_ = absl::InfinitePast();
};

}  // namespace paci
