#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// What one micro-batch costs each sort of unit of the job's model on this machine, forward and
// backward. Takes half a second, or three micro-batches through one unit of each sort.
absl::StatusOr<v1::LayerCosts> MeasureLayerCosts(const v1::JobSpec& spec, uint32_t threads,
                                                 int gpu);

}  // namespace paci
