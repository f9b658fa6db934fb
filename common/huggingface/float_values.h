#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "common/checkpoint/safetensors.h"

namespace paci {

// The values of a tensor of F32, BF16, F16 or F64 as float32, row-major. INVALID_ARGUMENT: of
// another type.
absl::StatusOr<std::vector<float>> FloatsOf(const TensorView& tensor);

// A matrix [rows, columns] as [columns, rows].
std::vector<float> Transposed(const std::vector<float>& matrix, int64_t rows, int64_t columns);

}  // namespace paci
