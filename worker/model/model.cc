#include "worker/model/model.h"

#include <ATen/ATen.h>

#include "common/random/mix.h"
#include "worker/model/gpt2.h"
#include "worker/model/llama.h"

namespace paci {

void Parameter::MoveTo(at::Device device, at::ScalarType type) {
  master = master.to(device);
  if (type == at::kFloat) {
    tensor.set_data(master);
    master = tensor.variable_data();
  } else {
    tensor.set_data(master.to(type));
    sum = at::zeros_like(master);
  }
}

void ModelUnit::MoveTo(at::Device device, at::ScalarType type) {
  if (device.is_cpu() && type == at::kFloat) return;  // as they were made
  for (Parameter& parameter : parameters_) parameter.MoveTo(device, type);
}

uint32_t UnitCount(const v1::ModelSpec& model) { return model.layers() + 2; }

std::unique_ptr<ModelUnit> MakeUnit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed) {
  return model.family() == v1::MODEL_FAMILY_LLAMA ? MakeLlamaUnit(model, unit, seed)
                                                  : MakeGpt2Unit(model, unit, seed);
}

uint64_t MixSeed(uint64_t seed, uint64_t a, uint64_t b) {
  return CombineKeys(CombineKeys(seed, a), b);
}

}  // namespace paci
