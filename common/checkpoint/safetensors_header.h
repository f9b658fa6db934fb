#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace paci {

enum class Dtype { kF64, kF32, kBF16, kF16, kI64 };

absl::string_view DtypeName(Dtype dtype);  // as safetensors writes it: "F32"
uint64_t DtypeBytes(Dtype dtype);

using SafetensorsMetadata = std::map<std::string, std::string>;

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  uint64_t begin = 0;          // in the data, which follows the header
  uint64_t end = 0;
};

// Bytes of such a tensor; nullopt: a negative dimension, or more than 2^63-1.
std::optional<uint64_t> TensorBytes(Dtype dtype, absl::Span<const int64_t> shape);

// The JSON header of a safetensors file, as a value.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // by `begin`
  SafetensorsMetadata metadata;
};

// INVALID_ARGUMENT: a name or a metadata text is not UTF-8. Padded to whole eights of bytes.
absl::StatusOr<std::string> FormatSafetensorsHeader(const SafetensorsHeader& header);

// Every tensor of the result is inside `data_bytes`; together they cover it without a gap or an
// overlap. INVALID_ARGUMENT says which rule is broken, and by which tensor.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(absl::string_view json,
                                                         uint64_t data_bytes);

}  // namespace paci
