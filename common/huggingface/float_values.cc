#include "common/huggingface/float_values.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

// IEEE 754 binary16: a sign, 5 bits of exponent, 10 of fraction.
float FromHalf(uint16_t half) {
  constexpr int kFractionBits = 10;
  constexpr uint32_t kMaxExponent = 31;
  const uint32_t exponent = (half >> kFractionBits) & kMaxExponent;
  const uint32_t fraction = half & ((1u << kFractionBits) - 1);
  const auto significand = static_cast<float>(fraction);
  float value = 0;
  if (exponent == 0) {
    value = std::ldexp(significand, -24);
  } else if (exponent < kMaxExponent) {
    value = std::ldexp(significand + (1u << kFractionBits), static_cast<int>(exponent) - 25);
  } else {
    value = fraction == 0 ? INFINITY : NAN;
  }
  return (half >> 15) != 0 ? -value : value;
}

float FromBfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

// The bytes of a tensor need not be aligned.
template <typename Stored, typename Convert>
std::vector<float> Read(absl::Span<const std::byte> bytes, const Convert& convert) {
  std::vector<float> values(bytes.size() / sizeof(Stored));
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    values[i] = convert(stored);
  }
  return values;
}

}  // namespace

absl::StatusOr<std::vector<float>> FloatsOf(const TensorView& tensor) {
  switch (tensor.dtype) {
    case Dtype::kF32:
      return Read<float>(tensor.bytes, [](float value) { return value; });
    case Dtype::kF64:
      return Read<double>(tensor.bytes, [](double value) { return static_cast<float>(value); });
    case Dtype::kBF16:
      return Read<uint16_t>(tensor.bytes, FromBfloat16);
    case Dtype::kF16:
      return Read<uint16_t>(tensor.bytes, FromHalf);
    default:
      return absl::InvalidArgumentError(absl::StrCat(
          tensor.name, " is of ", DtypeName(tensor.dtype), "; expected F32, BF16, F16 or F64"));
  }
}

std::vector<float> Transposed(const std::vector<float>& matrix, int64_t rows, int64_t columns) {
  std::vector<float> turned(matrix.size());
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      turned[column * rows + row] = matrix[row * columns + column];
    }
  }
  return turned;
}

}  // namespace paci
