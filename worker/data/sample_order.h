#pragma once

#include <cstdint>

namespace paci {

// In which order a run reads its sequences: an epoch is a shuffle of all of them without
// replacement, and the shuffle of the next epoch follows without a gap. A pure function of seed,
// count and position, of no library's random numbers: the same on every machine, and computed where
// it is needed, in constant time and memory. A value; thread-safe.
class SampleOrder {
 public:
  SampleOrder(uint64_t seed, int64_t sequences);

  // The sequence, 0..sequences-1, that is sample `sample`, from 0, of the whole run.
  int64_t Sequence(int64_t sample) const;

 private:
  uint64_t Shuffle(uint64_t position, uint64_t epoch_key) const;

  uint64_t seed_;
  uint64_t sequences_;
  int half_bits_;  // positions are permuted as numbers of twice as many bits
};

}  // namespace paci
