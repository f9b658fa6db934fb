#pragma once

// How far the clock of another process is from this one's, and how sure that is (the arithmetic of
// NTP, RFC 5905). Pure.

#include <optional>

#include "absl/time/time.h"
#include "absl/types/span.h"

namespace paci {

// A question and its answer. `sent` and `returned` by the clock of who asks, the other two by that
// of who answers.
struct ClockExchange {
  absl::Time sent;
  absl::Time received;
  absl::Time answered;
  absl::Time returned;
};

// asker's time = other's time + offset, give or take `error`.
struct ClockOffset {
  absl::Duration offset;
  absl::Duration error;
};

// Nothing arrives before it is sent, so the offset is at least sent - received and at most
// returned - answered: the middle, with half the round trip as its error. nullopt for an exchange
// that no offset explains.
std::optional<ClockOffset> OffsetOf(const ClockExchange& exchange);

// Of the exchange with the shortest round trip; nullopt: there is none.
std::optional<ClockOffset> BestOffset(absl::Span<const ClockExchange> exchanges);

// What holds between two moments, given what holds at each of them, if the clocks drift apart
// evenly.
ClockOffset Between(const ClockOffset& before, const ClockOffset& after);

}  // namespace paci
