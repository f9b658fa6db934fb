#include "worker/compute/stage_model.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/device/precision.h"

namespace paci {
namespace {

Dtype DtypeOf(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kLong:
      return Dtype::kI64;
    case at::kBFloat16:
      return Dtype::kBF16;
    default:
      return Dtype::kF32;
  }
}

// `tensor` is in memory of the host.
TensorView View(std::string name, const at::Tensor& tensor) {
  return {std::move(name), DtypeOf(tensor), tensor.sizes().vec(), BytesOf(tensor)};
}

// Tensors of a copy in memory; as SafetensorsFile.
class TensorList {
 public:
  explicit TensorList(absl::Span<const TensorView> tensors) : tensors_(tensors) {}
  std::string path() const { return "a copy of the stage"; }
  absl::StatusOr<TensorView> Find(absl::string_view name) const {
    for (const TensorView& tensor : tensors_) {
      if (tensor.name == name) return tensor;
    }
    return absl::NotFoundError(absl::StrCat(path(), ": there is no tensor ", name));
  }

 private:
  absl::Span<const TensorView> tensors_;
};

template <typename Source>
absl::Status Copy(const Source& file, const std::string& name, const at::Tensor& into) {
  const absl::StatusOr<TensorView> stored = file.Find(name);
  if (!stored.ok()) return stored.status();
  const std::vector<int64_t> shape = into.sizes().vec();
  if (stored->dtype != DtypeOf(into) || stored->shape != shape) {
    return absl::FailedPreconditionError(absl::StrCat(
        file.path(), ": ", name, " is ", DtypeName(stored->dtype), " [",
        absl::StrJoin(stored->shape, ", "), "], expected ", DtypeName(DtypeOf(into)), " [",
        absl::StrJoin(shape, ", "), "]: the checkpoint is of another model or another job"));
  }
  const at::Tensor host = into.is_cpu() ? into : at::empty(shape, into.options().device(at::kCPU));
  std::memcpy(BytesOf(host).data(), stored->bytes.data(), stored->bytes.size());
  if (!into.is_cpu()) into.copy_(host);
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

StageModel::StageModel(const v1::JobSpec& spec, const Chunks& chunks, at::Device device)
    : spec_(spec), has_masters_(ActivationType(spec) != at::kFloat) {
  for (const v1::UnitRange& chunk : chunks) {
    const size_t begin = units_.size();
    for (uint32_t unit = chunk.first_unit(); unit < chunk.end_unit(); ++unit) {
      numbers_.push_back(unit);
      units_.push_back(MakeUnit(spec.model(), unit, spec.train().seed()));
      units_.back()->MoveTo(device, ActivationType(spec));
    }
    chunks_.push_back({begin, units_.size()});
  }
  Parameter* const embedding = units_.front()->shared();
  Parameter* const head = units_.back()->shared();
  if (embedding != nullptr && head != nullptr) *head = *embedding;
}

at::Tensor StageModel::Forward(at::Tensor input, std::optional<int64_t> micro_batch, Range range,
                               DeferredGradients* deferred) {
  const Autocast autocast(spec_.train().precision(), input.device().type());
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

Parameter* StageModel::shared() const {
  Parameter* const embedding = units_.front()->shared();
  return embedding != nullptr ? embedding : units_.back()->shared();
}

template <typename Visit>
void StageModel::ForEachWithMaster(const Visit& visit) const {
  if (!has_masters_) return;
  for (const auto& unit : units_) {
    for (const Parameter& p : unit->parameters()) visit(p);
  }
  // The head's copy; what the embedding shares was among its parameters.
  const bool has_embedding = numbers_.front() == 0;
  if (shared() != nullptr && !has_embedding) visit(*shared());
}

void StageModel::TakeMasters() {
  ForEachWithMaster([](const Parameter& p) { p.tensor.variable_data().copy_(p.master); });
}

void StageModel::SumGradients() {
  ForEachWithMaster([](const Parameter& p) {
    if (!p.tensor.grad().defined()) return;
    at::Tensor(p.sum).add_(p.tensor.grad());
    at::Tensor(p.tensor).mutable_grad().reset();
  });
}

at::Tensor StageModel::OnHost(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return tensor;
  return host_copies_.emplace_back(tensor.cpu());
}

std::vector<UnitTensors> StageModel::Tensors(const State& state) {
  host_copies_.clear();
  std::vector<UnitTensors> all;
  size_t index = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    UnitTensors& tensors = all.emplace_back();
    tensors.unit = numbers_[i];
    for (const Parameter& parameter : units_[i]->parameters()) {
      tensors.weights.push_back(View(parameter.name, OnHost(parameter.master)));
      for (const auto& [name, tensor] : state[index++]) {
        tensors.optimizer.push_back(View(StateName(parameter, name), OnHost(tensor)));
      }
    }
  }
  return all;
}

template <typename Source>
absl::Status StageModel::CopyWeights(const Source& from, size_t unit) {
  for (const Parameter& parameter : units_[unit]->parameters()) {
    const absl::Status copied = Copy(from, parameter.name, parameter.master);
    if (absl::IsNotFound(copied) && parameter.name == "lm_head.weight") {
      return absl::FailedPreconditionError(
          absl::StrCat(copied.message(),
                       "; expected a checkpoint of a job whose head has weights "
                       "of its own, or model.tied_head true"));
    }
    if (!copied.ok()) return copied;
  }
  return absl::OkStatus();
}

template <typename Source>
absl::Status StageModel::CopyOfState(const Source& from, size_t unit, size_t first_parameter,
                                     const State& state) {
  size_t index = first_parameter;
  for (const Parameter& parameter : units_[unit]->parameters()) {
    for (const auto& [name, tensor] : state[index++]) {
      const absl::Status copied = Copy(from, StateName(parameter, name), tensor);
      if (!copied.ok()) return copied;
    }
  }
  return absl::OkStatus();
}

absl::Status StageModel::Load(const std::string& directory, const State* state) {
  size_t first_parameter = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const absl::StatusOr<SafetensorsFile> weights = OpenWeights(directory, numbers_[i]);
    if (!weights.ok()) return weights.status();
    if (absl::Status copied = CopyWeights(*weights, i); !copied.ok()) return copied;
    if (state == nullptr) continue;
    const absl::StatusOr<SafetensorsFile> optimizer = OpenOptimizer(directory, numbers_[i]);
    if (!optimizer.ok()) return optimizer.status();
    const absl::Status copied = CopyOfState(*optimizer, i, first_parameter, *state);
    if (!copied.ok()) return copied;
    first_parameter += units_[i]->parameters().size();
  }
  TakeMasters();
  return absl::OkStatus();
}

absl::Status StageModel::Load(const StateCopy& copy, const State& state) {
  size_t first_parameter = 0;
  for (size_t i = 0; i < units_.size(); ++i) {
    const auto unit = std::find_if(copy.units().begin(), copy.units().end(),
                                   [&](const auto& u) { return u.unit == numbers_[i]; });
    if (unit == copy.units().end()) {
      return absl::FailedPreconditionError(
          absl::StrCat("a copy of the stage has no unit ", numbers_[i]));
    }
    absl::Status copied = CopyWeights(TensorList(unit->weights), i);
    if (copied.ok()) {
      copied = CopyOfState(TensorList(unit->optimizer), i, first_parameter, state);
    }
    if (!copied.ok()) return copied;
    first_parameter += units_[i]->parameters().size();
  }
  TakeMasters();
  return absl::OkStatus();
}

}  // namespace paci
