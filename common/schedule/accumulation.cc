#include "common/schedule/accumulation.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace paci {

int64_t LeastAccumulation(const ScheduleConfig& config) {
  return std::max<int64_t>(1, MakeSchedule(config, 0)->InFlightCap() - 1);
}

std::string AccumulationReason(const ScheduleConfig& config) {
  const int64_t bound = MakeSchedule(config, 0)->LagBound();
  if (bound == 0) return config.stages == 1 ? "no lag: one stage" : "no lag: it flushes";
  if (config.weights == WeightPolicy::kDoubleBuffer) return "lag 1 with any accumulation";
  const int64_t least = LeastAccumulation(config);
  if (bound > 1) return absl::StrCat("lag at most ", bound, ", 1 from accumulation ", least, " on");
  if (config.accumulation == least) return "lag at most 1, with no less it would be more";
  return absl::StrCat("lag at most 1, as from accumulation ", least, " on");
}

}  // namespace paci
