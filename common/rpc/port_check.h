#pragma once

#include "absl/status/status.h"
#include "common/rpc/address.h"

namespace paci {

// gRPC says only that it does not listen. This says why: the address is tried once more, by hand.
absl::Status WhyNotListening(const HostPort& address);

}  // namespace paci
