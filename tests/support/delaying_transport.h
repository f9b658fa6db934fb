#pragma once

#include <cstdint>
#include <memory>

#include "absl/time/time.h"
#include "common/transport/channel.h"

namespace paci {

// A transport whose frames leave late, and whose receives complete late, each by its own random
// time up to `max_delay`; order within a channel is kept, as the contract asks. Shows that what a
// pipeline computes does not depend on timing. Delays come from `seed`; what they delay is up to
// the threads.
std::unique_ptr<Transport> MakeDelayingTransport(std::unique_ptr<Transport> inner, uint64_t seed,
                                                 absl::Duration max_delay);

}  // namespace paci
