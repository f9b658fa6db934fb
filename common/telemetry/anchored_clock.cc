#include "common/telemetry/anchored_clock.h"

#include "absl/time/clock.h"

namespace paci {

absl::Time AnchoredNow() { return AnchoredTime(std::chrono::steady_clock::now()); }

absl::Time AnchoredTime(std::chrono::steady_clock::time_point instant) {
  struct Anchor {
    absl::Time wall = absl::Now();
    std::chrono::steady_clock::time_point steady = std::chrono::steady_clock::now();
  };
  static const Anchor anchor;
  return anchor.wall + absl::FromChrono(instant - anchor.steady);
}

}  // namespace paci
