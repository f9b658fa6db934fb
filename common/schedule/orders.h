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
class Strict final : public Schedule {
 public:
  using Schedule::Schedule;
  Decision Next(const StageState& state) const override;
};

}  // namespace paci
