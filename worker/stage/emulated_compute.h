#pragma once

#include <memory>

#include "paci/v1/job.pb.h"
#include "worker/stage/compute.h"

namespace paci {

// A stage that sleeps for its costs instead of computing, and moves buffers of the real size. Each
// activation and gradient carries its micro-batch's index, and a stage that is handed another one's
// says so: DATA_LOSS.
std::unique_ptr<StageCompute> MakeEmulatedCompute(const v1::JobSpec& spec, int64_t stage);

}  // namespace paci
