#include "worker/optimizer/optimizer.h"

#include "common/config/schedule_config.h"
#include "worker/optimizer/adamw.h"
#include "worker/optimizer/nadamw.h"

namespace paci {

std::unique_ptr<Optimizer> MakeOptimizer(const v1::JobSpec& spec,
                                         const std::vector<Parameter>& parameters) {
  if (ScheduleConfigOf(spec).weights == WeightPolicy::kNesterov) {
    return std::make_unique<NAdamW>(spec.optimizer(), parameters);
  }
  return std::make_unique<AdamW>(spec.optimizer(), parameters);
}

}  // namespace paci
