#pragma once

#include <cstdint>
#include <string>

#include "common/schedule/schedule.h"

namespace paci {

// The least accumulation with which no micro-batch lags more than one update: that of
// ceil((c - 1) / a) <= 1 with the first stage's cap c, N - 1 with what the configuration adds.
int64_t LeastAccumulation(const ScheduleConfig& config);

// What the accumulation of `config` does to the lag, and which would do how much: "lag at most 2, 1
// from accumulation 7 on".
std::string AccumulationReason(const ScheduleConfig& config);

}  // namespace paci
