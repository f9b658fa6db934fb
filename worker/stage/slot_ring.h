#pragma once

#include <cstdint>

namespace paci {

// Hands out a fixed number of buffers in a circle. Micro-batches enter and leave a stage in order,
// so the oldest is always the first to be free again. Single-threaded. Invariant: 0 <= taken -
// released <= count.
class SlotRing {
 public:
  explicit SlotRing(int count) : count_(count) {}

  bool IsFull() const { return taken_ - released_ == count_; }
  // REQUIRES: !IsFull().
  int Take() { return static_cast<int>(taken_++ % count_); }
  // The oldest taken slot is free.
  void Release() { ++released_; }

 private:
  const int64_t count_;
  int64_t taken_ = 0;
  int64_t released_ = 0;
};

}  // namespace paci
