#pragma once

#include <algorithm>
#include <cstdint>

namespace paci {

// The order in which one stage passes micro-batches through its model chunks, the same on every
// stage (Efficient Large-Scale Language Model Training on GPU Clusters Using Megatron-LM, SC 2021,
// section 2.2): in groups of N micro-batches, a group through chunk after chunk. A pass is one
// micro-batch through one chunk, counted over the run; its rank is how many chunks of this stage
// the micro-batch has been through before. With one chunk pass k is micro-batch k. A value.
class PassOrder {
 public:
  // `round`: micro-batches after which the order begins anew, >= 1; its last group may be smaller.
  PassOrder(int64_t stages, int64_t chunks, int64_t round)
      : stages_(stages), chunks_(chunks), round_(std::max<int64_t>(round, 1)) {}

  struct Pass {
    int64_t micro_batch;
    int64_t rank;
  };
  Pass At(int64_t pass) const {
    if (chunks_ == 1) return {pass, 0};
    const Place at = PlaceOf(pass, chunks_);
    return {at.first_micro_batch + at.offset % at.group, at.offset / at.group};
  }
  int64_t IndexOf(Pass pass) const {
    if (chunks_ == 1) return pass.micro_batch;
    const int64_t in_round = pass.micro_batch % round_;
    const int64_t first = in_round - in_round % stages_;
    const int64_t group = std::min(stages_, round_ - first);
    return (pass.micro_batch - in_round + first) * chunks_ + pass.rank * group + in_round - first;
  }

  // Of the passes before `pass` those with a rank above 0: of micro-batches that have come round
  // from the other end of the pipeline.
  int64_t RoundTripsBefore(int64_t pass) const {
    if (chunks_ == 1) return 0;
    const Place at = PlaceOf(pass, chunks_);
    return at.first_micro_batch * (chunks_ - 1) + std::max<int64_t>(at.offset - at.group, 0);
  }
  // The pass that is the `round_trip`-th of those. REQUIRES: more than one chunk.
  int64_t PassOfRoundTrip(int64_t round_trip) const {
    const Place at = PlaceOf(round_trip, chunks_ - 1);
    return at.first_micro_batch * chunks_ + at.group + at.offset;
  }

 private:
  struct Place {
    int64_t first_micro_batch;  // of the group
    int64_t group;              // micro-batches in it
    int64_t offset;             // passes of the group before
  };
  // When every micro-batch makes `ranks` passes.
  Place PlaceOf(int64_t pass, int64_t ranks) const {
    const int64_t in_round = pass % (round_ * ranks);
    const int64_t first = in_round / (stages_ * ranks) * stages_;
    return {(pass - in_round) / ranks + first, std::min(stages_, round_ - first),
            in_round - first * ranks};
  }

  int64_t stages_;
  int64_t chunks_;
  int64_t round_;
};

}  // namespace paci
