#include "common/checkpoint/part_snapshot.h"

#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

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

absl::StatusOr<v1::CheckpointPart> PartSnapshot::Write(const std::string& directory,
                                                       uint64_t settled_update) {
  RemoveGivenUp(settled_update);
  absl::StatusOr<v1::CheckpointPart> part = WritePart(directory, update_, units_);
  if (part.ok()) written_.push_back({directory, *part});
  return part;
}

void PartSnapshot::RemoveGivenUp(uint64_t settled_update) {
  std::vector<Written> open;
  for (Written& written : written_) {
    std::error_code ignored;
    if (written.part.update() > settled_update) {
      open.push_back(std::move(written));
    } else if (!std::filesystem::exists(absl::StrCat(written.directory, "/", kManifestName),
                                        ignored)) {
      RemovePart(written.directory, written.part);
    }
  }
  written_ = std::move(open);
}

}  // namespace paci
