#include "common/telemetry/clock_offset.h"

#include <algorithm>

namespace paci {
namespace {

ClockOffset MiddleOf(absl::Duration least, absl::Duration most) {
  return {(least + most) / 2, (most - least) / 2};
}

}  // namespace

std::optional<ClockOffset> OffsetOf(const ClockExchange& exchange) {
  const absl::Duration least = exchange.sent - exchange.received;
  const absl::Duration most = exchange.returned - exchange.answered;
  if (least > most || exchange.answered < exchange.received) return std::nullopt;
  return MiddleOf(least, most);
}

std::optional<ClockOffset> BestOffset(absl::Span<const ClockExchange> exchanges) {
  std::optional<ClockOffset> best;
  for (const ClockExchange& exchange : exchanges) {
    const std::optional<ClockOffset> offset = OffsetOf(exchange);
    if (offset && (!best || offset->error < best->error)) best = offset;
  }
  return best;
}

ClockOffset Between(const ClockOffset& before, const ClockOffset& after) {
  return MiddleOf(std::min(before.offset - before.error, after.offset - after.error),
                  std::max(before.offset + before.error, after.offset + after.error));
}

}  // namespace paci
