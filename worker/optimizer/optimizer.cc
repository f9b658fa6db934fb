#include "worker/optimizer/optimizer.h"

#include "common/config/lag.h"
#include "worker/optimizer/adamw.h"
#include "worker/optimizer/lag_correction.h"
#include "worker/optimizer/lion.h"
#include "worker/optimizer/muon.h"
#include "worker/optimizer/nadamw.h"
#include "worker/optimizer/soap.h"

namespace paci {
namespace {

// `ahead`: what Muon looks ahead by, or nullptr.
std::unique_ptr<Optimizer> MakeUncorrected(const v1::OptimizerSpec& spec, WeightPolicy weights,
                                           const std::vector<Parameter>& parameters, LagOf ahead) {
  if (weights == WeightPolicy::kNesterov) return std::make_unique<NAdamW>(spec, parameters);
  if (spec.name() == "muon") return std::make_unique<Muon>(spec, parameters, std::move(ahead));
  if (spec.name() == "soap") return std::make_unique<Soap>(spec, parameters);
  if (spec.name() == "lion") return std::make_unique<Lion>(spec, parameters);
  return std::make_unique<AdamW>(spec, parameters);
}

// Of the stage of `schedule`; `always`: as if no update flushed.
LagOf LagsToCorrect(const Schedule& schedule, bool always, double strength) {
  ScheduleConfig config = schedule.config();
  if (always) {
    config.boundary = UpdateBoundary::kLocalAccumulation;
    config.flush_first = config.flush_last = 0;
  }
  const std::shared_ptr<Schedule> lagging = MakeSchedule(config, schedule.stage());
  return [lagging, strength](int64_t update) { return strength * lagging->MeanLag(update); };
}

}  // namespace

std::unique_ptr<Optimizer> MakeOptimizer(const v1::JobSpec& spec, const Schedule& schedule,
                                         const std::vector<Parameter>& parameters) {
  const v1::OptimizerSpec& optimizer = spec.optimizer();
  const v1::LagCorrection correction = LagCorrectionOf(spec);
  const bool looks_ahead = correction == v1::LAG_CORRECTION_LOOK_AHEAD;
  LagOf lags;
  if (correction != v1::LAG_CORRECTION_NONE) {
    lags = LagsToCorrect(schedule, optimizer.lag_correction_always(),
                         optimizer.lag_correction_strength());
  }
  std::unique_ptr<Optimizer> made = MakeUncorrected(optimizer, schedule.config().weights,
                                                    parameters, looks_ahead ? lags : nullptr);
  if (correction == v1::LAG_CORRECTION_NONE || looks_ahead) return made;
  return std::make_unique<LagCorrected>(std::move(made), parameters, correction, std::move(lags));
}

}  // namespace paci
