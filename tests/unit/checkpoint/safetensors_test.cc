#include "common/checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

std::string File(absl::string_view header, absl::string_view data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return absl::StrCat(bytes, header, data);
}

class SafetensorsTest : public ::testing::Test {
 protected:
  std::string ErrorOf(const std::string& bytes) {
    const auto file = SafetensorsFile::Open(folder_.Write("bad", bytes));
    EXPECT_EQ(file.status().code(), absl::StatusCode::kDataLoss);
    std::string message(file.status().message());
    const std::string prefix = folder_.path() + "/bad is no valid safetensors file: ";
    EXPECT_EQ(message.substr(0, prefix.size()), prefix);
    return message.substr(std::min(prefix.size(), message.size()));
  }
  TestFolder folder_;
};

TEST_F(SafetensorsTest, EveryDtypeAndShapeComesBackAsItWasWritten) {
  const std::vector<float> f32 = {1.5F, -2.25F, 0, 3e-9F, 5, 6};
  const std::vector<double> f64 = {1.0 / 3};
  const std::vector<int64_t> i64 = {-1, int64_t{1} << 62};
  const std::vector<uint16_t> half = {0x3c00, 0xffff, 0x1234};
  const std::vector<float> none;
  const auto written = WriteSafetensors(folder_.path(), "t",
                                        {{"bf16", Dtype::kBF16, {3}, BytesOf(half)},
                                         {"f32", Dtype::kF32, {2, 3}, BytesOf(f32)},
                                         {"none", Dtype::kF32, {0, 3}, BytesOf(none)},
                                         {"scalar \"ü\"", Dtype::kF64, {}, BytesOf(f64)},
                                         {"f16", Dtype::kF16, {1, 3, 1}, BytesOf(half)},
                                         {"i64", Dtype::kI64, {2}, BytesOf(i64)}},
                                        {{"format", "pt"}, {"update", "12"}});
  ASSERT_TRUE(written.ok()) << written.status();
  const auto file = SafetensorsFile::Open(folder_.path() + "/t");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(file->metadata(), ElementsAre(Pair("format", "pt"), Pair("update", "12")));
  const auto expect = [&](const char* name, Dtype dtype, const std::vector<int64_t>& shape,
                          absl::Span<const std::byte> bytes) {
    const auto tensor = file->Find(name);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->dtype, dtype) << name;
    EXPECT_EQ(tensor->shape, shape) << name;
    EXPECT_EQ(tensor->bytes, bytes) << name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor->bytes.data()) % DtypeBytes(dtype), 0U) << name;
  };
  expect("bf16", Dtype::kBF16, {3}, BytesOf(half));
  expect("f32", Dtype::kF32, {2, 3}, BytesOf(f32));
  expect("none", Dtype::kF32, {0, 3}, BytesOf(none));
  expect("scalar \"ü\"", Dtype::kF64, {}, BytesOf(f64));
  expect("f16", Dtype::kF16, {1, 3, 1}, BytesOf(half));
  expect("i64", Dtype::kI64, {2}, BytesOf(i64));
  EXPECT_EQ(file->tensors().size(), 6U);
  EXPECT_EQ(file->Find("f64").status().message(), folder_.path() + "/t has no tensor \"f64\"");
}

// As the definition of the format gives it, and the checksum as `xxhsum -H3` does.
TEST_F(SafetensorsTest, TheBytesOnDiskAreTheFormats) {
  const std::vector<int64_t> value = {258};
  const auto written =
      WriteSafetensors(folder_.path(), "t", {{"x", Dtype::kI64, {1}, BytesOf(value)}}, {});
  ASSERT_TRUE(written.ok()) << written.status();
  const std::string bytes = ReadFile(folder_.path() + "/t");
  EXPECT_EQ(bytes, File(R"({"x":{"data_offsets":[0,8],"dtype":"I64","shape":[1]}}  )",
                        absl::string_view("\x02\x01\0\0\0\0\0\0", 8)));
  EXPECT_EQ(written->path(), "t");
  EXPECT_EQ(written->size_bytes(), bytes.size());
  EXPECT_EQ(written->checksum(), "xxh3:80911310d18bacca");
}

TEST_F(SafetensorsTest, WhatCannotBeWrittenIsRefusedAndLeavesNothing) {
  const std::vector<float> two = {1, 2};
  const auto error = [&](const std::vector<TensorView>& tensors) {
    const auto written = WriteSafetensors(folder_.path(), "t", tensors, {});
    EXPECT_EQ(written.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(written.status().message());
  };
  EXPECT_EQ(
      error({{"x", Dtype::kF32, {3}, BytesOf(two)}}),
      "cannot write " + folder_.path() + "/t: tensor \"x\" has 8 bytes, which is not its shape");
  const TensorView good = {"x", Dtype::kF32, {2}, BytesOf(two)};
  EXPECT_THAT(error({good, good}), HasSubstr("a second tensor is called \"x\""));
  EXPECT_THAT(error({{"\xff", Dtype::kF32, {2}, BytesOf(two)}}), HasSubstr("UTF-8"));
  EXPECT_THAT(error({{"x", Dtype::kF32, {-2, -1}, BytesOf(two)}}), HasSubstr("its shape"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(SafetensorsTest, LengthsAreNotBelieved) {
  EXPECT_EQ(ErrorOf(""), "it has 0 bytes; expected at least 8");
  EXPECT_EQ(ErrorOf("1234567"), "it has 7 bytes; expected at least 8");
  EXPECT_EQ(ErrorOf(std::string(8, '\xff') + "{}"),
            "its header has 18446744073709551615 bytes; at most 100000000 may be");
  EXPECT_EQ(ErrorOf(File("{}", "").substr(0, 9)),
            "its header has 2 bytes, more than the file, which has 9");
}

TEST_F(SafetensorsTest, HeadersThatAreNoHeadersAreRefused) {
  EXPECT_EQ(ErrorOf(File("", "")), "its header does not begin with {");
  EXPECT_EQ(ErrorOf(File(" {}", "")), "its header does not begin with {");
  EXPECT_THAT(ErrorOf(File("{\"a\":", "")), HasSubstr("its header is not JSON at its byte 6"));
  EXPECT_THAT(ErrorOf(File("{} x", "")), HasSubstr("its header is not JSON at its byte 4"));
  EXPECT_THAT(ErrorOf(File("{\"\xff\":1}", "")), HasSubstr("its header is not JSON at its byte 3"));
  EXPECT_EQ(ErrorOf(File(R"({"__metadata__":{"a":1}})", "")),
            "its __metadata__ \"a\" is not a string");
  EXPECT_EQ(ErrorOf(File(R"({"__metadata__":[]})", "")), "its __metadata__ is not an object");
  EXPECT_EQ(ErrorOf(File("{\"a\":" + std::string(100000, '['), "")).substr(0, 22),
            "its header is not JSON");
  EXPECT_EQ(ErrorOf(File("{\"a\":[[[]]]}", "")), "its header is nested too deeply");
}

TEST_F(SafetensorsTest, KeysThatComeTwiceAreRefused) {
  const std::string tensor = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  EXPECT_EQ(ErrorOf(File(absl::StrCat("{\"a\":", tensor, ",\"a\":", tensor, "}"), "1234")),
            "its header has the key \"a\" twice");
  EXPECT_EQ(ErrorOf(File(R"({"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}})",
                         "1234")),
            "its header has the key \"shape\" twice");
  EXPECT_EQ(ErrorOf(File(R"({"__metadata__":{"k":"1","k":"2"}})", "")),
            "its header has the key \"k\" twice");
}

TEST_F(SafetensorsTest, TensorsThatBreakARuleAreNamed) {
  const auto error = [&](const char* dtype, const char* shape, const char* offsets) {
    return ErrorOf(File(absl::StrCat("{\"w\":{\"dtype\":", dtype, ",\"shape\":", shape,
                                     ",\"data_offsets\":", offsets, "}}"),
                        "12345678"));
  };
  EXPECT_EQ(error("\"F8\"", "[2]", "[0,8]"),
            "tensor \"w\": its dtype is none of F64, F32, BF16, F16, I64");
  EXPECT_EQ(error("4", "[2]", "[0,8]"),
            "tensor \"w\": its dtype is none of F64, F32, BF16, F16, I64");
  EXPECT_EQ(error("\"F32\"", "2", "[0,8]"), "tensor \"w\": its shape is not a list");
  for (const char* shape : {"[-2]", "[2.0]", "[\"2\"]", "[9223372036854775808]"}) {
    EXPECT_EQ(error("\"F32\"", shape, "[0,8]"),
              "tensor \"w\": its shape is not of whole numbers >= 0");
  }
  EXPECT_EQ(error("\"F32\"", "[3]", "[0,8]"), "tensor \"w\": a shape of [3] F32 is not 8 bytes");
  // 2^62 * 4 * 2 wraps to 0, 2^31 * 2^31 * 4 to 0.
  EXPECT_THAT(error("\"F32\"", "[4611686018427387904,2]", "[0,8]"), HasSubstr("is not 8 bytes"));
  EXPECT_THAT(error("\"F32\"", "[2147483648,2147483648]", "[0,0]"), HasSubstr("is not 0 bytes"));
  for (const char* offsets : {"[8,0]", "[0]", "[0,4,8]"}) {
    EXPECT_EQ(error("\"F32\"", "[2]", offsets),
              "tensor \"w\": its data_offsets are not begin and end");
  }
  EXPECT_EQ(error("\"F32\"", "[3]", "[0,12]"),
            "tensor \"w\": it ends at byte 12 of the data, which has 8");
  EXPECT_EQ(error("\"F32\"", "[1]", "[4,8]"),
            "tensor \"w\": it begins at byte 4 of the data; expected 0, where the one before it "
            "ends");
  EXPECT_EQ(error("\"F32\"", "[1]", "[0,4]"), "4 bytes at its end belong to no tensor");
}

TEST_F(SafetensorsTest, TensorsMayNotOverlap) {
  EXPECT_EQ(ErrorOf(File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                         R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                         "12345678")),
            "tensor \"b\": it begins at byte 4 of the data; expected 8, where the one before it "
            "ends");
}

TEST_F(SafetensorsTest, WhatIsNoFileSaysSo) {
  EXPECT_EQ(SafetensorsFile::Open("/nowhere/x").status(),
            absl::NotFoundError("cannot read /nowhere/x: No such file or directory"));
  EXPECT_EQ(SafetensorsFile::Open(folder_.path()).status().message(),
            "cannot read " + folder_.path() + ": it is not a regular file");
}

}  // namespace
}  // namespace paci
