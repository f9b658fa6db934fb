#include <cmath>

#include "absl/time/clock.h"
#include "cli/format/escape.h"
#include "cli/format/names.h"
#include "cli/format/stage_numbers.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace paci::cli {
namespace {

TEST(Units, DurationsHaveTheUnitsThatMatter) {
  EXPECT_EQ(DurationText(absl::Seconds(-5)), "0s");
  EXPECT_EQ(DurationText(absl::Seconds(59.9)), "59s");
  EXPECT_EQ(DurationText(absl::Seconds(60)), "1m");
  EXPECT_EQ(DurationText(absl::Seconds(312)), "5m12s");
  EXPECT_EQ(DurationText(absl::Seconds(600 + 59)), "10m");
  EXPECT_EQ(DurationText(absl::Minutes(60)), "1h");
  EXPECT_EQ(DurationText(absl::Minutes(23 * 60 + 59)), "23h59m");
  EXPECT_EQ(DurationText(absl::Hours(27)), "1d3h");
  EXPECT_EQ(DurationText(absl::Hours(24 * 8 + 5)), "8d");
  EXPECT_EQ(DurationText(absl::InfiniteDuration()).back(), 'd');
}

TEST(Units, CountsKeepThreeDigitsAcrossEveryBorder) {
  EXPECT_EQ(CountText(0), "0");
  EXPECT_EQ(CountText(999.4), "999");
  EXPECT_EQ(CountText(999.6), "1.00k");
  EXPECT_EQ(CountText(12345), "12.3k");
  EXPECT_EQ(CountText(999499), "999k");
  EXPECT_EQ(CountText(999500), "1.00M");
  EXPECT_EQ(CountText(9994000), "9.99M");
  EXPECT_EQ(CountText(9999000), "10.0M");
  EXPECT_EQ(CountText(1e18), "1000P");
  EXPECT_EQ(CountText(std::nan("")), "nan");
}

TEST(Units, BytesAreBinary) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1024), "1.00 KiB");
  EXPECT_EQ(BytesText(uint64_t{24} << 30), "24.0 GiB");
  EXPECT_EQ(BytesText((uint64_t{1} << 30) - 1), "1.00 GiB");
}

TEST(Units, AnAgeOfWhatNeverHappenedIsADash) { EXPECT_EQ(AgeText({}, absl::Now()), "-"); }

TEST(Escape, ControlCharactersAndBytesThatAreNotUtf8BecomeVisible) {
  EXPECT_EQ(EscapeText("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(EscapeLine("a\tb\nc"), "a\\tb\\nc");
  EXPECT_EQ(EscapeText("\x1b[2J\x7f\r"), "\\x1b[2J\\x7f\\x0d");
  EXPECT_EQ(EscapeText("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
  EXPECT_EQ(EscapeText("\xc2\x9b"), "\\xc2\\x9b") << "a one-character CSI moves the cursor";
  EXPECT_EQ(EscapeText("\xff\xc3(\xe2\x82"), "\\xff\\xc3(\\xe2\\x82");
}

TEST(Escape, RefusesWhatOnlyLooksLikeUtf8) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));
  EXPECT_FALSE(IsUtf8("\xc0\xaf")) << "overlong";
  EXPECT_FALSE(IsUtf8("\xe0\x9f\xbf")) << "overlong";
  EXPECT_FALSE(IsUtf8("\xf0\x8f\xbf\xbf")) << "overlong";
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80")) << "a surrogate";
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80")) << "beyond U+10FFFF";
  EXPECT_FALSE(IsUtf8("\x80"));
}

TEST(Escape, ClipCutsBetweenCharacters) {
  EXPECT_EQ(Clip("gr\xc3\xbc\xc3\x9f", 3), "gr\xc3\xbc");
  EXPECT_EQ(Clip("abc", 3), "abc");
  EXPECT_EQ(Clip("abc", 0), "");
}

TEST(TextTable, AlignsByCharactersAndEscapesCells) {
  TextTable table({{"NAME", TextTable::Align::kLeft}, {"N", TextTable::Align::kRight}});
  table.Add({"\xc3\xbc", "10"});
  table.Add({"a\nb", "9"});
  EXPECT_EQ(table.Render(), "NAME   N\n\xc3\xbc     10\na\\nb   9\n");
}

TEST(Names, ANumberFromANewerCoordinatorIsShown) {
  EXPECT_EQ(StateName(v1::JOB_STATE_RECOVERING), "Recovering");
  EXPECT_EQ(StateName(static_cast<v1::JobState>(17)), "State 17");
  EXPECT_EQ(OrderName(v1::ORDER_DRAIN_FIRST), "drain_first");
}

v1::LagStatus Lag(std::initializer_list<uint64_t> counts, uint64_t bound) {
  v1::LagStatus lag;
  for (const uint64_t count : counts) lag.add_counts(count);
  lag.set_bound(bound);
  return lag;
}

TEST(StageNumbers, LagIsOverEveryBackward) {
  EXPECT_EQ(LagMax(Lag({}, 1)), 0u);
  EXPECT_EQ(LagMean(Lag({}, 1)), 0);
  EXPECT_EQ(LagMax(Lag({25, 75, 0}, 2)), 1u) << "a count of zero is no lag";
  EXPECT_DOUBLE_EQ(LagMean(Lag({25, 75, 0}, 2)), 0.75);
  EXPECT_EQ(LagText(Lag({1, 0, 3}, 2)), "2/2");
}

TEST(StageNumbers, BusyIsForwardBackwardAndUpdateOfTheRunningTime) {
  v1::StageStatus stage;
  EXPECT_EQ(BusyText(stage), "-");
  stage.set_running_seconds(10);
  stage.mutable_activity()->set_forward(2);
  stage.mutable_activity()->set_backward(4);
  stage.mutable_activity()->set_update(1);
  stage.mutable_activity()->set_evaluate(2);
  stage.mutable_activity()->set_wait_gradient(1);
  EXPECT_DOUBLE_EQ(BusyShare(stage), 0.7);
  EXPECT_EQ(BusyText(stage), "70%");
}

TEST(StageNumbers, UnitsAreLayersWithEmbeddingAndHead) {
  const auto text = [](const std::vector<std::pair<uint32_t, uint32_t>>& chunks) {
    v1::StageStatus stage;
    for (const auto& [first, end] : chunks) {
      stage.add_chunks()->set_first_unit(first);
      stage.mutable_chunks()->rbegin()->set_end_unit(end);
    }
    return UnitsText(stage, 4);
  };
  EXPECT_EQ(text({{0, 6}}), "embedding, 1-4, head");
  EXPECT_EQ(text({{0, 1}}), "embedding");
  EXPECT_EQ(text({{0, 2}}), "embedding, 1");
  EXPECT_EQ(text({{2, 4}}), "2-3");
  EXPECT_EQ(text({{5, 6}}), "head");
  EXPECT_EQ(text({{0, 2}, {3, 4}}), "embedding, 1; 3");
  EXPECT_EQ(text({}), "-");
}

}  // namespace
}  // namespace paci::cli
