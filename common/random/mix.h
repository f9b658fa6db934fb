#pragma once

// common/random: numbers that look random and are a function of what they are for. Header only.

#include <cstdint>

namespace paci {

// The finalizer of SplitMix64: every bit of the result depends on every bit of `x`. The same on
// every machine, as is all that is made of it.
inline uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// A key for `value` out of a more general one.
inline uint64_t CombineKeys(uint64_t key, uint64_t value) {
  return Mix(key + 0x9e3779b97f4a7c15 * (value + 1));
}

}  // namespace paci
