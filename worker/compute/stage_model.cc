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

absl::Status Copy(const SafetensorsFile& file, const std::string& name, const at::Tensor& into) {
  const absl::StatusOr<TensorView> stored = file.Find(name);
  if (!stored.ok()) return stored.status();
  const TensorView expected = View(name, into);
  if (stored->dtype != expected.dtype || stored->shape != expected.shape) {
    return absl::FailedPreconditionError(
        absl::StrCat(file.path(), ": ", name, " is ", DtypeName(stored->dtype), " [",
                     absl::StrJoin(stored->shape, ", "), "], expected ", DtypeName(expected.dtype),
                     " [", absl::StrJoin(expected.shape, ", "),
                     "]: the checkpoint is of another model or another job"));
  }
  std::memcpy(BytesOf(into).data(), stored->bytes.data(), stored->bytes.size());
  return absl::OkStatus();
}

std::string StateName(const Parameter& parameter, absl::string_view name) {
  return absl::StrCat(parameter.name, ".", name);
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

std::vector<UnitTensors> StageModel::Tensors(const State& state) const {
  std::vector<UnitTensors> all;
  size_t index = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    UnitTensors& tensors = all.emplace_back();
    tensors.unit = numbers_[i];
    for (const Parameter& parameter : units_[i]->parameters()) {
      tensors.weights.push_back(View(parameter.name, parameter.tensor));
      for (const auto& [name, tensor] : state[index++]) {
        tensors.optimizer.push_back(View(StateName(parameter, name), tensor));
      }
    }
  }
  return all;
}

absl::Status StageModel::Load(const std::string& directory, const State* state) {
  size_t first_parameter = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const absl::StatusOr<SafetensorsFile> file = OpenWeights(directory, numbers_[i]);
    if (!file.ok()) return file.status();
    for (const Parameter& parameter : units_[i]->parameters()) {
      const at::Tensor weights = parameter.tensor.variable_data();
      if (absl::Status copied = Copy(*file, parameter.name, weights); !copied.ok()) return copied;
    }
    if (state == nullptr) continue;
    const absl::Status loaded = LoadState(directory, i, first_parameter, *state);
    if (!loaded.ok()) return loaded;
    first_parameter += units_[i]->parameters().size();
  }
  return absl::OkStatus();
}

absl::Status StageModel::LoadState(const std::string& directory, size_t unit,
                                   size_t first_parameter, const State& state) {
  const absl::StatusOr<SafetensorsFile> file = OpenOptimizer(directory, numbers_[unit]);
  if (!file.ok()) return file.status();
  size_t index = first_parameter;
  for (const Parameter& parameter : units_[unit]->parameters()) {
    for (const auto& [name, tensor] : state[index++]) {
      const absl::Status copied = Copy(*file, StateName(parameter, name), tensor);
      if (!copied.ok()) return copied;
    }
  }
  return absl::OkStatus();
}

}  // namespace paci
