#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/time/time.h"

namespace paci {

// What the stages of a pipeline have finished, all together.
struct Movement {
  uint64_t passes = 0;          // forwards, backwards and updates
  double boundary_seconds = 0;  // spent on updates, validations and checkpoints that are over

  bool operator==(const Movement&) const = default;
};

// How long a pipeline has stood still, and how long it is used to. Single-threaded.
class MovementWatch {
 public:
  // The pipeline is to move, and this is how far it is. Called every tick.
  void Observe(absl::Time now, uint64_t generation, const Movement& movement) {
    if (generation != generation_) *this = MovementWatch();
    if (generation != generation_ || since_ == absl::InfiniteFuture()) {
      generation_ = generation;
      movement_ = movement;
      since_ = now;
    }
    if (movement == movement_) return;
    longest_gap_ = std::max(longest_gap_, now - since_);
    movement_ = movement;
    since_ = now;
    has_moved_ = true;
  }
  // It is not to move now, as in a pause: its silence begins anew with the next Observe.
  void Excuse() {
    since_ = absl::InfiniteFuture();
    has_moved_ = false;
  }
  // So much time passed in which nobody looked.
  void Skip(absl::Duration gap) { since_ += gap; }

  // Zero while it is excused.
  absl::Duration StillFor(absl::Time now) const {
    return std::max(now - since_, absl::ZeroDuration());
  }
  // For `patience`, and for ten times the longest while between two movements of this generation.
  bool IsStalled(absl::Time now, absl::Duration patience) const {
    return StillFor(now) >= std::max(patience, 10 * longest_gap_);
  }
  // It has moved, no longer ago than is usual, or than reports take.
  bool IsMoving(absl::Time now, absl::Duration report_interval) const {
    return has_moved_ && StillFor(now) < 2 * std::max(longest_gap_, report_interval);
  }

 private:
  uint64_t generation_ = 0;
  Movement movement_;
  absl::Time since_ = absl::InfiniteFuture();  // of the last movement, or of the first look
  bool has_moved_ = false;                     // since it was last excused
  absl::Duration longest_gap_;
};

}  // namespace paci
