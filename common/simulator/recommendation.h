#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace paci {

// A choice, as far as it is compared.
struct Candidate {
  std::string name;  // "paci, 4 stages, accumulation 8"
  double tokens_per_second = 0;
  double lag_mean = 0;
  int64_t memory_bytes = 0;  // of the worst stage
  bool fits = true;
};

struct Recommendation {
  std::optional<size_t> choice;  // nullopt: nothing fits
  std::string reason;            // one sentence, which names the runner-up if there is one
};

// How much slower a choice may be and still be preferred for its lag or memory.
inline constexpr double kAsFast = 0.02;

// The fastest that fits; of those within kAsFast of it the one with the least lag, of those the one
// with the least memory, of those the fastest. The runner-up is what would be recommended without
// it.
Recommendation Recommend(const std::vector<Candidate>& candidates);

}  // namespace paci
