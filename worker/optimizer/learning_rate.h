#pragma once

#include <cstdint>

#include "paci/v1/job.pb.h"

namespace paci {

// The learning rate of update `update`, from 0, of a run of spec.train.updates: linear from
// lr / warmup_updates to lr over the warm-up, then half a cosine down to lr * lr_floor at the last
// update. Pure.
double LearningRateAt(const v1::JobSpec& spec, int64_t update);

// What is made of it at a stage that lags by `lag` updates on average: (1 + lag)^-lag_lr.
double LagScale(const v1::OptimizerSpec& optimizer, double lag);

}  // namespace paci
