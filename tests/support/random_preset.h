#pragma once

#include <rapidcheck.h>

#include <algorithm>

#include "common/schedule/presets.h"

namespace paci {

// Makes `config` one of the presets, and changes what that one has rules for.
inline void ApplyRandomPreset(ScheduleConfig& config) {
  ApplyPreset(*rc::gen::elementOf(Presets()), config);
  if (config.boundary == UpdateBoundary::kLocalAccumulation &&
      config.weights != WeightPolicy::kDoubleBuffer) {
    const int64_t updates = config.milestones.updates;
    config.flush_first = *rc::gen::inRange<int64_t>(0, updates + 1);
    config.flush_last = *rc::gen::inRange<int64_t>(0, updates + 1 - config.flush_first);
  }
  if (config.order != Order::kInterleaved) return;
  config.chunks = *rc::gen::inRange<int64_t>(2, 5);
  config.stages = std::max<int64_t>(config.stages, 2);
  config.accumulation = config.stages * *rc::gen::inRange<int64_t>(1, 4);
}

}  // namespace paci
