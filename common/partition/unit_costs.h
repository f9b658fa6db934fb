#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// What BalancedPartition asks for.
struct UnitCosts {
  std::vector<double> unit_costs;    // layers + 2
  std::vector<double> stage_speeds;  // one a stage
};

// From the arithmetic of the model: floating-point operations of one micro-batch, forward and
// backward, on stages of equal speed. The same on every machine.
UnitCosts FlopsCosts(const v1::JobSpec& spec);

// From what the worker of each stage measured, seconds of one micro-batch: the cost of a unit is
// its mean over the workers, a worker's speed that of the whole model on it. INVALID_ARGUMENT,
// naming the stage, when there is not one measurement a stage, or one is not finite and positive.
absl::StatusOr<UnitCosts> MeasuredCosts(const v1::JobSpec& spec,
                                        absl::Span<const v1::LayerCosts> costs_by_stage);

}  // namespace paci
