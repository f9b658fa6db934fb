#pragma once

#include <chrono>

#include "absl/time/time.h"

namespace paci {

// The wall clock as it was when this process first asked, and the time since by a clock that nobody
// sets: what one process measures never goes back, and a change of the wall clock changes nothing.
// Thread-safe.
absl::Time AnchoredNow();
// The same at an instant of that clock.
absl::Time AnchoredTime(std::chrono::steady_clock::time_point instant);

}  // namespace paci
