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
  if (parameters.empty()) return;
  if (parameters.front().master.is_cpu()) return ReadHost(parameters);
  // One copy to the host for all of them.
  std::vector<at::Tensor> taken;
  int64_t next = 0;  // index of the next weight to take, in the tensor at hand
  for (const Parameter& parameter : parameters) {
    const int64_t count = parameter.master.numel();
    if (next < count) {
      taken.push_back(parameter.master.flatten().slice(0, next, count, stride_));
      next += taken.back().numel() * stride_;
    }
    next -= count;
  }
  const at::Tensor values = at::cat(taken).cpu();
  values_.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
}

void SampledWeights::ReadHost(const std::vector<Parameter>& parameters) {
  int64_t next = 0;
  for (const Parameter& parameter : parameters) {
    const float* const weights = parameter.master.const_data_ptr<float>();
    for (; next < parameter.master.numel(); next += stride_) values_.push_back(weights[next]);
    next -= parameter.master.numel();
  }
}

}  // namespace paci
