#pragma once

// GPT-2: norms of mean and variance before attention and MLP, learned positions, one fused matrix
// for query, key and value, GELU in its tanh form, biases.

#include <cstdint>
#include <memory>

#include "paci/v1/job.pb.h"
#include "worker/model/model.h"

namespace paci {

// As MakeUnit.
std::unique_ptr<ModelUnit> MakeGpt2Unit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed);

}  // namespace paci
