#include "worker/compute/stage_model.h"

#include <ATen/ATen.h>

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

TensorView View(std::string name, const at::Tensor& tensor) {
  const Dtype dtype = tensor.scalar_type() == at::kLong ? Dtype::kI64 : Dtype::kF32;
  return {std::move(name), dtype, tensor.sizes().vec(), BytesOf(tensor)};
}

absl::Status Copy(const SafetensorsFile& file, const Parameter& parameter) {
  const absl::StatusOr<TensorView> stored = file.Find(parameter.name);
  if (!stored.ok()) return stored.status();
  const at::Tensor weights = parameter.tensor.variable_data();
  if (stored->dtype != Dtype::kF32 || stored->shape != weights.sizes().vec()) {
    return absl::FailedPreconditionError(absl::StrCat(
        file.path(), ": ", parameter.name, " is ", DtypeName(stored->dtype), " [",
        absl::StrJoin(stored->shape, ", "), "], expected F32 [",
        absl::StrJoin(weights.sizes(), ", "), "]: the checkpoint is of another model"));
  }
  std::memcpy(BytesOf(weights).data(), stored->bytes.data(), stored->bytes.size());
  return absl::OkStatus();
}

StageModel::Chunks OneChunk(uint32_t first_unit, uint32_t end_unit) {
  StageModel::Chunks chunks;
  v1::UnitRange& chunk = *chunks.Add();
  chunk.set_first_unit(first_unit);
  chunk.set_end_unit(end_unit);
  return chunks;
}

}  // namespace

absl::Span<std::byte> BytesOf(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous(),
              "the bytes of a tensor that is not contiguous were asked for");
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

StageModel::StageModel(const v1::JobSpec& spec, uint32_t first_unit, uint32_t end_unit)
    : StageModel(spec, OneChunk(first_unit, end_unit)) {}

StageModel::StageModel(const v1::JobSpec& spec, const Chunks& chunks) : spec_(spec) {
  for (const v1::UnitRange& chunk : chunks) {
    const size_t begin = units_.size();
    for (uint32_t unit = chunk.first_unit(); unit < chunk.end_unit(); ++unit) {
      numbers_.push_back(unit);
      units_.push_back(MakeUnit(spec.model(), unit, spec.train().seed()));
    }
    chunks_.push_back({begin, units_.size()});
  }
}

at::Tensor StageModel::Forward(at::Tensor input, std::optional<int64_t> micro_batch, Range range,
                               DeferredGradients* deferred) {
  for (size_t i = range.begin; i < range.end; ++i) {
    ForwardOptions options;
    options.deferred = deferred;
    if (micro_batch) {
      options.dropout_seed = MixSeed(spec_.train().seed() + 1, numbers_[i], *micro_batch);
    }
    input = units_[i]->Forward(input, options);
  }
  return input;
}

std::vector<Parameter> StageModel::parameters() const {
  std::vector<Parameter> all;
  for (const auto& unit : units_) {
    all.insert(all.end(), unit->parameters().begin(), unit->parameters().end());
  }
  return all;
}

std::vector<UnitTensors> StageModel::Tensors(const Optimizer& optimizer) const {
  std::vector<UnitTensors> all;
  size_t index = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    UnitTensors& tensors = all.emplace_back();
    tensors.unit = numbers_[i];
    for (const Parameter& parameter : units_[i]->parameters()) {
      tensors.weights.push_back(View(parameter.name, parameter.tensor));
      for (const auto& [name, state] : optimizer.State(index++)) {
        tensors.optimizer.push_back(View(absl::StrCat(parameter.name, ".", name), state));
      }
    }
  }
  return all;
}

absl::Status StageModel::Load(const std::string& directory) {
  for (size_t i = 0; i < units_.size(); ++i) {
    const absl::StatusOr<SafetensorsFile> file = OpenWeights(directory, numbers_[i]);
    if (!file.ok()) return file.status();
    for (const Parameter& parameter : units_[i]->parameters()) {
      if (absl::Status copied = Copy(*file, parameter); !copied.ok()) return copied;
    }
  }
  return absl::OkStatus();
}

}  // namespace paci
