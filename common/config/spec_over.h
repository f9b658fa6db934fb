#pragma once

#include <cstdint>

#include "paci/v1/job.pb.h"

namespace paci {

// The spec of a generation of `stages` stages, for workers and for whatever depends on their
// number: the job's own, with `pipeline.stages` as many, and without an explicit partition if that
// is of another number.
v1::JobSpec SpecOver(v1::JobSpec spec, uint32_t stages);

}  // namespace paci
