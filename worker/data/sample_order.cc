#include "worker/data/sample_order.h"

#include <algorithm>
#include <bit>

#include "common/random/mix.h"

namespace paci {
namespace {

constexpr int kRounds = 6;
// A network of fewer bits reaches few of the possible orders.
constexpr int kMinHalfBits = 4;

}  // namespace

SampleOrder::SampleOrder(uint64_t seed, int64_t sequences)
    : seed_(Mix(seed)),
      sequences_(static_cast<uint64_t>(sequences)),
      half_bits_(std::max(kMinHalfBits, static_cast<int>(std::bit_width(sequences_ - 1) + 1) / 2)) {
}

int64_t SampleOrder::Sequence(int64_t sample) const {
  const uint64_t position = static_cast<uint64_t>(sample);
  const uint64_t epoch_key = CombineKeys(seed_, position / sequences_);
  // The network permutes a power of four at least as large as `sequences_`. Walking its cycle until
  // it comes back below `sequences_` is a permutation of those.
  uint64_t sequence = position % sequences_;
  do {
    sequence = Shuffle(sequence, epoch_key);
  } while (sequence >= sequences_);
  return static_cast<int64_t>(sequence);
}

// A balanced Feistel network: a permutation whatever its round function is.
uint64_t SampleOrder::Shuffle(uint64_t position, uint64_t epoch_key) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = position >> half_bits_;
  uint64_t right = position & mask;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t mixed = left ^ (CombineKeys(CombineKeys(epoch_key, round), right) & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

}  // namespace paci
