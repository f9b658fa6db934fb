#include "common/rpc/backoff.h"

#include <algorithm>

namespace paci {

Backoff::Backoff(BackoffOptions options, uint64_t seed)
    : options_(options), ceiling_(std::min(options.first, options.max)), random_(seed) {}

absl::Duration Backoff::Next() {
  // The upper 53 bits as a fraction of [0, 1).
  const double fraction = static_cast<double>(random_() >> 11) * 0x1.0p-53;
  const absl::Duration delay = ceiling_ * (0.5 + 0.5 * fraction);
  ceiling_ = std::min(ceiling_ * 2, options_.max);
  return delay;
}

void Backoff::Reset() { ceiling_ = std::min(options_.first, options_.max); }

}  // namespace paci
