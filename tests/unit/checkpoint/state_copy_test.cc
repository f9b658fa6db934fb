#include "common/checkpoint/state_copy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"
#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"

namespace paci {
namespace {

using testing::HasSubstr;

std::vector<std::byte> BytesOf(const StateCopy& copy) {
  return {copy.bytes().begin(), copy.bytes().end()};
}

void ExpectSame(const std::vector<TensorView>& a, const std::vector<TensorView>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(a[i].dtype, b[i].dtype);
    EXPECT_EQ(a[i].shape, b[i].shape);
    EXPECT_EQ(a[i].bytes, b[i].bytes);
  }
}

TEST(StateCopy, AnotherProcessMakesTheSameOfHeaderAndBytes) {
  const TestFolder folder;
  const TestCheckpoint checkpoint(folder.path());
  StateCopy copy;
  copy.Take(17, checkpoint.Units(1, 4));
  const absl::StatusOr<std::string> header = copy.Header();
  ASSERT_TRUE(header.ok()) << header.status();
  absl::StatusOr<StateCopy> other = StateCopy::FromHeader(*header, BytesOf(copy));
  ASSERT_TRUE(other.ok()) << other.status();
  // Its bytes do not move with it.
  const StateCopy moved = *std::move(other);
  EXPECT_EQ(moved.update(), 17);
  ASSERT_EQ(moved.units().size(), 3);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(moved.units()[i].unit, i + 1);
    ExpectSame(moved.units()[i].weights, checkpoint.Units(1, 4)[i].weights);
    ExpectSame(moved.units()[i].optimizer, checkpoint.Units(1, 4)[i].optimizer);
  }
}

TEST(StateCopy, AStageMayHaveNoWeights) {
  StateCopy copy;
  copy.Take(3, {});
  const absl::StatusOr<StateCopy> other = StateCopy::FromHeader(*copy.Header(), {});
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->update(), 3);
  EXPECT_TRUE(other->units().empty());
}

TEST(StateCopy, RefusesWhatIsNone) {
  const TestFolder folder;
  StateCopy copy;
  copy.Take(1, TestCheckpoint(folder.path()).Units());
  const std::string header = *copy.Header();
  const auto error = [&](const std::string& from, const std::string& to) {
    return std::string(
        StateCopy::FromHeader(absl::StrReplaceAll(header, {{from, to}}), BytesOf(copy))
            .status()
            .message());
  };
  EXPECT_THAT(error("update", "updata"), HasSubstr("does not say of which update"));
  EXPECT_THAT(error("2/weights/", "2/weight/"), HasSubstr("\"2/weight/weight\""));
  EXPECT_THAT(error("2/weights/", "x/weights/"), HasSubstr("expected UNIT/weights/NAME"));
  std::vector<std::byte> cut = BytesOf(copy);
  cut.pop_back();
  EXPECT_FALSE(StateCopy::FromHeader(header, cut).ok());
  EXPECT_FALSE(StateCopy::FromHeader("", BytesOf(copy)).ok());
}

}  // namespace
}  // namespace paci
