#pragma once

// Llama: norms of the mean square before attention and MLP, rotary positions, grouped-query
// attention, SwiGLU, no biases.

#include <cstdint>
#include <memory>

#include "paci/v1/job.pb.h"
#include "worker/model/model.h"

namespace paci {

// As MakeUnit.
std::unique_ptr<ModelUnit> MakeLlamaUnit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed);

}  // namespace paci
