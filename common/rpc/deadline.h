#pragma once

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace paci {

// No call waits for ever. Streams have no deadline; they live on keepalive.
inline constexpr absl::Duration kCallDeadline = absl::Seconds(10);
// Text is made token by token, perhaps behind a stage that trains on the same cores.
inline constexpr absl::Duration kGenerateDeadline = absl::Seconds(120);
// The longest window of a trace; and with it what comes before and after.
inline constexpr absl::Duration kMaxTraceWindow = absl::Seconds(60);
inline constexpr absl::Duration kTraceDeadline = absl::Seconds(90);

// For grpc::ClientContext::set_deadline.
inline std::chrono::system_clock::time_point DeadlineIn(absl::Duration duration) {
  return absl::ToChronoTime(absl::Now() + duration);
}

}  // namespace paci
