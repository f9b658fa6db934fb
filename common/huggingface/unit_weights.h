#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// A weight of the model, without its values.
struct WeightName {
  std::string name;            // in our checkpoints, and in Hugging Face's
  std::vector<int64_t> shape;  // in ours
  // Hugging Face's GPT-2 has its matrices as [in, out], the others as we do, [out, in].
  bool is_transposed = false;
};

// Those of unit `unit`, 0: embedding, 1..layers: blocks, layers + 1: head.
std::vector<WeightName> WeightsOfUnit(const v1::ModelSpec& model, uint32_t unit);

}  // namespace paci
