#pragma once

// common/text: values as sentences for people say them. Pure; depends on nothing.

#include <string>

#include "absl/time/time.h"

namespace paci {

// "94ms", "5.1s", "14s", "5m12s", "2h3m": as many digits as anybody wants to read.
std::string ShortDuration(absl::Duration duration);

}  // namespace paci
