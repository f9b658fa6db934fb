#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace paci {

struct Sampling {
  double temperature = 1;  // 0: the likeliest
  int64_t top_k = 0;       // among so many of the likeliest; 0: all
  double top_p = 0;  // among the fewest of the likeliest with so much of the probability; 0: all
};

// An index into `logits` [n], float32 on the CPU.
int64_t Sample(const at::Tensor& logits, const Sampling& sampling, at::Generator& generator);

}  // namespace paci
