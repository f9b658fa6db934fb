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

}  // namespace

absl::Span<std::byte> BytesOf(const at::Tensor& tensor) {
  TORCH_CHECK(tensor.is_contiguous(),
              "the bytes of a tensor that is not contiguous were asked for");
  return {static_cast<std::byte*>(tensor.data_ptr()), tensor.nbytes()};
}

StageModel::StageModel(const v1::JobSpec& spec, uint32_t first_unit, uint32_t end_unit)
    : spec_(spec), first_unit_(first_unit) {
  for (uint32_t unit = first_unit; unit < end_unit; ++unit) {
    units_.push_back(MakeUnit(spec.model(), unit, spec.train().seed()));
  }
}

at::Tensor StageModel::Forward(at::Tensor input, std::optional<int64_t> micro_batch) {
  return Forward(std::move(input), micro_batch, 0, units_.size());
}

at::Tensor StageModel::Forward(at::Tensor input, std::optional<int64_t> micro_batch, size_t begin,
                               size_t end, DeferredGradients* deferred) {
  for (size_t i = begin; i < end; ++i) {
    ForwardOptions options;
    options.deferred = deferred;
    if (micro_batch) {
      options.dropout_seed = MixSeed(spec_.train().seed() + 1, first_unit_ + i, *micro_batch);
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
    tensors.unit = first_unit_ + static_cast<uint32_t>(i);
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
    const absl::StatusOr<SafetensorsFile> file =
        OpenWeights(directory, first_unit_ + static_cast<uint32_t>(i));
    if (!file.ok()) return file.status();
    for (const Parameter& parameter : units_[i]->parameters()) {
      if (absl::Status copied = Copy(*file, parameter); !copied.ok()) return copied;
    }
  }
  return absl::OkStatus();
}

}  // namespace paci
