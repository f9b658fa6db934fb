#include "worker/data/sample_order.h"

#include <algorithm>
#include <bit>

namespace paci {
namespace {

constexpr int kRounds = 6;
// A network of fewer bits reaches few of the possible orders.
constexpr int kMinHalfBits = 4;

// The finalizer of SplitMix64: every bit of the result depends on every bit of `x`.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t Combine(uint64_t key, uint64_t value) {
  return Mix(key + 0x9e3779b97f4a7c15 * (value + 1));
}

}  // namespace

SampleOrder::SampleOrder(uint64_t seed, int64_t sequences)
    : seed_(Mix(seed)),
      sequences_(static_cast<uint64_t>(sequences)),
      half_bits_(std::max(kMinHalfBits, static_cast<int>(std::bit_width(sequences_ - 1) + 1) / 2)) {
}

int64_t SampleOrder::Sequence(int64_t sample) const {
  const uint64_t position = static_cast<uint64_t>(sample);
  const uint64_t epoch_key = Combine(seed_, position / sequences_);
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
    const uint64_t mixed = left ^ (Combine(Combine(epoch_key, round), right) & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

}  // namespace paci
