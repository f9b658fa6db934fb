#pragma once

#include <cstdint>
#include <random>

#include "absl/time/time.h"

namespace paci {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(100);
  absl::Duration max = absl::Seconds(5);
};

// How long to wait before each further attempt: twice as long every time, up to `max`, and of that
// a random share between a half and all, so that many who lost the same server do not return as
// one. The same seed gives the same delays. A value; single-threaded.
class Backoff {
 public:
  Backoff(BackoffOptions options, uint64_t seed);

  absl::Duration Next();
  // An attempt succeeded: the next delay is short again.
  void Reset();

 private:
  BackoffOptions options_;
  absl::Duration ceiling_;
  std::mt19937_64 random_;
};

}  // namespace paci
