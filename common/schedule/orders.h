#pragma once

#include "common/schedule/schedule.h"

namespace paci {

// The order of the paper (PACI, Algorithm 1): all gradients that are here, then one forward.
// Answers arrivals, so two runs may interleave differently.
class DrainFirst final : public Schedule {
 public:
  using Schedule::Schedule;
  Decision Next(const StageState& state) const override;
};

// 1F1B by count: fill up to the in-flight cap, then one backward, one forward. What arrives early
// waits, so the order of work, and with it every bit of the result, does not depend on timing.
class Strict : public Schedule {
 public:
  using Schedule::Schedule;
  Decision Next(const StageState& state) const override;
};

// All forwards of an update, then its backwards, oldest first (GPipe, NeurIPS 2019, section 2.3):
// by count, with a cap that only the flush reaches.
class FillDrain final : public Strict {
 public:
  using Strict::Strict;
  int64_t InFlightCap() const override { return config().accumulation; }
};

// 1F1B over v chunks a stage (Megatron-LM, SC 2021, section 2.2): a micro-batch goes round the
// stages v times, and a fill or a drain takes a v-th of the time. By count; in flight at most
// 2 (N - 1 - i) + (v - 1) N + 1 passes, each with a v-th of the stage's activations.
class Interleaved final : public Strict {
 public:
  using Strict::Strict;
  int64_t InFlightCap() const override {
    return 2 * (config().stages - 1 - stage()) + (config().chunks - 1) * config().stages + 1;
  }
};

// Backwards in two halves (Zero Bubble Pipeline Parallelism, ICLR 2024): the input half, which the
// neighbour waits for, as soon as it can run, the weight half where nothing else can. The budget
// says how many activations may be held, p = 1 (section 2.1, ZB-H1) or p = 2 (section 2.2 with the
// memory of ZB-2p): in flight p (N - i) - (p - 1), held p N - (p - 1). Answers arrivals; with a
// flush the gradients are summed in the order of micro-batches all the same.
class SplitBackward final : public Schedule {
 public:
  using Schedule::Schedule;
  Decision Next(const StageState& state) const override;
  int64_t InFlightCap() const override;
  int64_t ActivationCap() const override;
  bool SplitsBackward() const override { return true; }

 private:
  int64_t Budget() const { return config().order == Order::kSplit2 ? 2 : 1; }
};

}  // namespace paci
