#pragma once

#include <algorithm>
#include <cstdint>

#include "paci/v1/job.pb.h"

namespace paci {

// v, the chunks a stage; 1 in a spec that does not say, as of an older version.
inline uint32_t ModelChunks(const v1::PipelineSpec& pipeline) {
  return std::max(pipeline.chunks(), 1u);
}

}  // namespace paci
