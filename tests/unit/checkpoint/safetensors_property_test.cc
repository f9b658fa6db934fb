// A file that was damaged anywhere, in any way: it is refused, or every tensor of it is inside it.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <tuple>

#include "common/checkpoint/safetensors.h"
#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

rc::Gen<size_t> Below(size_t end) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange<size_t>(0, end));
}

std::string GoodFile(const TestFolder& folder) {
  const std::vector<float> floats = {1, 2, 3, 4, 5, 6};
  const std::vector<uint16_t> halves = {1, 2, 3};
  const auto written = WriteSafetensors(folder.path(), "good",
                                        {{"a", Dtype::kF32, {2, 3}, BytesOf(floats)},
                                         {"b", Dtype::kF32, {6}, BytesOf(floats)},
                                         {"c", Dtype::kBF16, {3}, BytesOf(halves)}},
                                        {{"format", "pt"}});
  EXPECT_TRUE(written.ok()) << written.status();
  return ReadFile(folder.path() + "/good");
}

// Whether it was accepted.
bool OpenAndCheck(const TestFolder& folder, const std::string& bytes) {
  const auto file = SafetensorsFile::Open(folder.Write("damaged", bytes));
  if (!file.ok()) {
    RC_ASSERT(file.status().code() == absl::StatusCode::kDataLoss);
    return false;
  }
  uint64_t total = 0;
  int sum = 0;  // reads every byte: one outside the file would be a fault, or AddressSanitizer's
  for (const TensorView& tensor : file->tensors()) {
    RC_ASSERT(TensorBytes(tensor.dtype, tensor.shape) == tensor.bytes.size());
    for (const std::byte byte : tensor.bytes) sum += static_cast<int>(byte);
    total += tensor.bytes.size();
  }
  RC_ASSERT(sum >= 0);
  RC_ASSERT(total + 8 <= bytes.size());
  for (size_t i = 1; i < file->tensors().size(); ++i) {
    const auto& before = file->tensors()[i - 1].bytes;
    RC_ASSERT(before.data() + before.size() == file->tensors()[i].bytes.data());
  }
  return true;
}

RC_GTEST_PROP(SafetensorsProperty, FlippedBytesNeverLeadOutOfTheFile, ()) {
  static const TestFolder folder;
  static const std::string good = GoodFile(folder);
  std::string bytes = good;
  const size_t flips = *Below(6);
  for (size_t i = 0; i < flips; ++i) {
    // Mostly the length and the header; the data may be anything anyway.
    bytes[*Below(bytes.size() - 40)] = *rc::gen::arbitrary<char>();
  }
  OpenAndCheck(folder, bytes);
}

// Digits for digits: most such headers are valid JSON with other offsets and shapes.
RC_GTEST_PROP(SafetensorsProperty, OtherNumbersNeverLeadOutOfTheFile, ()) {
  static const TestFolder folder;
  static const std::string good = GoodFile(folder);
  std::string bytes = good;
  std::vector<size_t> digits;
  for (size_t i = 8; i < bytes.size(); ++i) {
    if (bytes[i] >= '0' && bytes[i] <= '9') digits.push_back(i);
  }
  const size_t changes = 1 + *Below(3);
  for (size_t i = 0; i < changes; ++i) {
    bytes[digits[*Below(digits.size())]] = static_cast<char>('0' + *Below(10));
  }
  OpenAndCheck(folder, bytes);
}

TEST(SafetensorsProperty, NoShorterFileIsAccepted) {
  const TestFolder folder;
  const std::string good = GoodFile(folder);
  EXPECT_TRUE(OpenAndCheck(folder, good));
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(OpenAndCheck(folder, good.substr(0, size))) << size;
  }
  EXPECT_FALSE(OpenAndCheck(folder, good + "x"));
}

}  // namespace
}  // namespace paci
