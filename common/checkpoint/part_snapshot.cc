#include "common/checkpoint/part_snapshot.h"

#include <cstring>
#include <utility>

namespace paci {
namespace {

template <typename Visit>
void ForEachTensor(std::vector<UnitTensors>& units, const Visit& visit) {
  for (UnitTensors& unit : units) {
    for (TensorView& tensor : unit.weights) visit(tensor);
    for (TensorView& tensor : unit.optimizer) visit(tensor);
  }
}

}  // namespace

void PartSnapshot::Take(uint64_t update, std::vector<UnitTensors> units) {
  update_ = update;
  units_ = std::move(units);
  size_t size = 0;
  ForEachTensor(units_, [&](const TensorView& tensor) { size += tensor.bytes.size(); });
  buffer_.resize(size);
  size_t at = 0;
  ForEachTensor(units_, [&](TensorView& tensor) {
    const auto copy = absl::MakeSpan(buffer_).subspan(at, tensor.bytes.size());
    if (!copy.empty()) std::memcpy(copy.data(), tensor.bytes.data(), copy.size());
    tensor.bytes = copy;
    at += copy.size();
  });
}

absl::StatusOr<v1::CheckpointPart> PartSnapshot::Write(const std::string& directory) const {
  return WritePart(directory, update_, units_);
}

}  // namespace paci
