#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/types/span.h"

namespace paci {

// Measures how far the weights move between a micro-batch's forward and its backward, in updates
// (version lag) and in value (parameter drift, over a fixed sample of weights). Keeps one sample a
// version still in flight: a few kilobytes, never the weights. Single-threaded.
class VersionTracker {
 public:
  // `sample` is of the weights after `update` updates. Those of one update before count as equal.
  explicit VersionTracker(absl::Span<const float> sample, int64_t update = 0);

  // A micro-batch whose forward uses the weights as they were after `version` updates. Versions do
  // not fall from one micro-batch to the next.
  void OnForward(int64_t version);
  // The weights changed; `sample` is the same weights as before.
  void OnStep(absl::Span<const float> sample);

  struct Measured {
    int64_t lag = 0;   // updates
    double drift = 0;  // |w_now - w_forward| / |w_forward|, 2-norms
  };
  // Of the oldest micro-batch in flight. REQUIRES: an OnForward without its OnBackward.
  Measured OnBackward();

 private:
  struct Version {
    int64_t update;
    std::vector<float> sample;
  };

  void DropUnused();

  std::deque<Version> versions_;         // oldest first; the newest is the present
  std::deque<int64_t> forward_updates_;  // of each micro-batch in flight
};

}  // namespace paci
