#include "worker/compute/sampled_weights.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace paci {
namespace {

constexpr int64_t kSize = 2048;

}  // namespace

SampledWeights::SampledWeights(const std::vector<Parameter>& parameters) {
  int64_t count = 0;
  for (const Parameter& parameter : parameters) count += parameter.tensor.numel();
  stride_ = std::max<int64_t>(1, count / kSize);
  Read(parameters);
}

void SampledWeights::Read(const std::vector<Parameter>& parameters) {
  values_.clear();
  int64_t next = 0;  // index of the next weight to take, in the tensor at hand
  for (const Parameter& parameter : parameters) {
    const float* const weights = parameter.tensor.const_data_ptr<float>();
    for (; next < parameter.tensor.numel(); next += stride_) values_.push_back(weights[next]);
    next -= parameter.tensor.numel();
  }
}

}  // namespace paci
