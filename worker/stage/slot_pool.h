#pragma once

#include <numeric>
#include <vector>

namespace paci {

// Hands out a fixed number of buffers, the one that was released last first. Single-threaded.
class SlotPool {
 public:
  explicit SlotPool(int count) : free_(count) { std::iota(free_.rbegin(), free_.rend(), 0); }

  bool IsEmpty() const { return free_.empty(); }
  // REQUIRES: !IsEmpty().
  int Take() {
    const int slot = free_.back();
    free_.pop_back();
    return slot;
  }
  // REQUIRES: `slot` is taken.
  void Release(int slot) { free_.push_back(slot); }

 private:
  std::vector<int> free_;
};

}  // namespace paci
