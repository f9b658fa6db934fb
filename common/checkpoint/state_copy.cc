#include "common/checkpoint/state_copy.h"

#include <cstring>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace paci {
namespace {

constexpr absl::string_view kWeights = "weights";
constexpr absl::string_view kOptimizer = "optimizer";

// Calls visit(unit, kind, tensor) in the order of the bytes.
template <typename Units, typename Visit>
void ForEachTensor(Units& units, const Visit& visit) {
  for (auto& unit : units) {
    for (auto& tensor : unit.weights) visit(unit, kWeights, tensor);
    for (auto& tensor : unit.optimizer) visit(unit, kOptimizer, tensor);
  }
}

// Of "3/weights/NAME".
struct TensorPlace {
  uint32_t unit = 0;
  bool is_weight = false;
  std::string name;
};

absl::StatusOr<TensorPlace> ParsePlace(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 2));
  TensorPlace place;
  const bool is_place = parts.size() == 3 && absl::SimpleAtoi(parts[0], &place.unit) &&
                        (parts[1] == kWeights || parts[1] == kOptimizer);
  if (!is_place) {
    return absl::InvalidArgumentError(
        absl::StrCat("a copy of a stage names a tensor \"", text,
                     "\"; expected UNIT/weights/NAME or UNIT/optimizer/NAME"));
  }
  place.is_weight = parts[1] == kWeights;
  place.name = parts[2];
  return place;
}

}  // namespace

void StateCopy::Take(uint64_t update, std::vector<UnitTensors> units) {
  update_ = update;
  units_ = std::move(units);
  size_t size = 0;
  ForEachTensor(units_, [&](const UnitTensors&, absl::string_view, const TensorView& tensor) {
    size += tensor.bytes.size();
  });
  bytes_.resize(size);
  size_t at = 0;
  ForEachTensor(units_, [&](const UnitTensors&, absl::string_view, TensorView& tensor) {
    const auto copy = absl::MakeSpan(bytes_).subspan(at, tensor.bytes.size());
    if (!copy.empty()) std::memcpy(copy.data(), tensor.bytes.data(), copy.size());
    tensor.bytes = copy;
    at += copy.size();
  });
}

absl::StatusOr<std::string> StateCopy::Header() const {
  SafetensorsHeader header;
  header.metadata["update"] = absl::StrCat(update_);
  uint64_t at = 0;
  ForEachTensor(units_,
                [&](const UnitTensors& unit, absl::string_view kind, const TensorView& tensor) {
                  const uint64_t end = at + tensor.bytes.size();
                  header.tensors.push_back({absl::StrCat(unit.unit, "/", kind, "/", tensor.name),
                                            tensor.dtype, tensor.shape, at, end});
                  at = end;
                });
  return FormatSafetensorsHeader(header);
}

absl::StatusOr<StateCopy> StateCopy::FromHeader(absl::string_view header,
                                                std::vector<std::byte> bytes) {
  const absl::StatusOr<SafetensorsHeader> parsed = ParseSafetensorsHeader(header, bytes.size());
  if (!parsed.ok()) return parsed.status();
  StateCopy copy;
  copy.bytes_ = std::move(bytes);
  const auto update = parsed->metadata.find("update");
  if (update == parsed->metadata.end() || !absl::SimpleAtoi(update->second, &copy.update_)) {
    return absl::InvalidArgumentError("a copy of a stage does not say of which update it is");
  }
  for (const TensorInfo& tensor : parsed->tensors) {
    absl::StatusOr<TensorPlace> place = ParsePlace(tensor.name);
    if (!place.ok()) return place.status();
    if (copy.units_.empty() || copy.units_.back().unit != place->unit) {
      copy.units_.emplace_back().unit = place->unit;
    }
    UnitTensors& unit = copy.units_.back();
    (place->is_weight ? unit.weights : unit.optimizer)
        .push_back(
            {std::move(place->name), tensor.dtype, tensor.shape,
             absl::MakeConstSpan(copy.bytes_).subspan(tensor.begin, tensor.end - tensor.begin)});
  }
  return copy;
}

}  // namespace paci
