#include "worker/optimizer/learning_rate.h"

#include <cmath>
#include <numbers>

namespace paci {

double LearningRateAt(const v1::JobSpec& spec, int64_t update) {
  const v1::OptimizerSpec& optimizer = spec.optimizer();
  const auto warmup = static_cast<double>(optimizer.warmup_updates());
  const auto done = static_cast<double>(update + 1);
  if (done <= warmup) return optimizer.lr() * done / warmup;
  const double decay = static_cast<double>(spec.train().updates()) - warmup;
  const double progress = (done - warmup) / decay;
  const double cosine = 0.5 * (1 + std::cos(std::numbers::pi * progress));
  return optimizer.lr() * (optimizer.lr_floor() + (1 - optimizer.lr_floor()) * cosine);
}

double LagScale(const v1::OptimizerSpec& optimizer, double lag) {
  return std::pow(1 + lag, -optimizer.lag_lr());
}

}  // namespace paci
