#include "common/huggingface/float_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::FloatEq;

template <typename Stored>
TensorView View(Dtype dtype, const std::vector<Stored>& values) {
  return {"t",
          dtype,
          {static_cast<int64_t>(values.size())},
          absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()),
                              values.size() * sizeof(Stored))};
}

TEST(FloatValues, OfHalvesAreExact) {
  // 1, -2, the largest, the smallest normal, the smallest, zeros, infinity: IEEE 754, table 3.5.
  const std::vector<uint16_t> halves = {0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x0000, 0xfc00};
  const auto floats = FloatsOf(View(Dtype::kF16, halves));
  ASSERT_TRUE(floats.ok()) << floats.status();
  EXPECT_THAT(*floats, ElementsAre(1, -2, 65504, std::ldexp(1.0F, -14), std::ldexp(1.0F, -24), 0,
                                   -std::numeric_limits<float>::infinity()));
  EXPECT_TRUE(std::isnan(FloatsOf(View<uint16_t>(Dtype::kF16, {0x7e00}))->front()));
}

TEST(FloatValues, OfBfloat16AreTheUpperHalfOfFloats) {
  EXPECT_THAT(*FloatsOf(View<uint16_t>(Dtype::kBF16, {0x3f80, 0xc0a0})), ElementsAre(1, -5));
}

TEST(FloatValues, OfDoublesAreRounded) {
  EXPECT_THAT(*FloatsOf(View<double>(Dtype::kF64, {0.1})), ElementsAre(FloatEq(0.1F)));
}

TEST(FloatValues, OfWholeNumbersAreNone) {
  EXPECT_EQ(FloatsOf(View<int64_t>(Dtype::kI64, {1})).status().message(),
            "t is of I64; expected F32, BF16, F16 or F64");
}

TEST(FloatValues, AreTurned) {
  EXPECT_THAT(Transposed({1, 2, 3, 4, 5, 6}, 2, 3), ElementsAre(1, 4, 2, 5, 3, 6));
}

}  // namespace
}  // namespace paci
