#include "common/config/key_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using ::testing::HasSubstr;

ParsedValue Parse(absl::string_view path, const std::string& text) {
  return ParseKeyValue(*FindJobKey(path), text);
}
std::string Problem(absl::string_view path, const std::string& text) {
  return Parse(path, text).problem;
}
double Seconds(const std::string& text) {
  const ParsedValue parsed = Parse("emulation.forward_seconds", text);
  EXPECT_EQ(parsed.problem, "") << text;
  return parsed.problem.empty() ? std::get<double>(parsed.value) : -1;
}

TEST(Count, TakesWholeNumbersInItsRangeAndNothingElse) {
  for (const JobKey& key : JobKeys()) {
    if (key.type != KeyType::kCount) continue;
    const auto least = static_cast<uint64_t>(key.range.min);
    const auto most = static_cast<uint64_t>(key.range.max);
    EXPECT_EQ(ParseKeyValue(key, absl::StrCat(least)).problem, "") << key.path;
    EXPECT_EQ(ParseKeyValue(key, absl::StrCat(most)).problem, "") << key.path;
    EXPECT_THAT(ParseKeyValue(key, absl::StrCat(most + 1)).problem, HasSubstr("out of range"));
    EXPECT_THAT(ParseKeyValue(key, absl::StrCat(static_cast<int64_t>(least) - 1)).problem,
                HasSubstr("out of range"))
        << key.path;
    for (const char* text : {"", "abc", "1.0", "1e3", "0x1", "1 2", "-", "+1"}) {
      EXPECT_THAT(ParseKeyValue(key, text).problem, HasSubstr("is not a whole number")) << text;
    }
  }
}

TEST(Count, BeyondSixtyFourBitsIsOutOfRange) {
  EXPECT_EQ(Problem("train.seed", "99999999999999999999"),
            "\"99999999999999999999\" is out of range; expected a whole number in "
            "0..9007199254740991");
}

TEST(Counts, TakeAListWithBothItsBracketsOrNone) {
  const std::vector<uint64_t> two = {2, 3};
  for (const char* text : {"[2, 3]", "2,3", "[2,3]"}) {
    EXPECT_EQ(std::get<std::vector<uint64_t>>(Parse("pipeline.partition", text).value), two);
  }
  for (const char* text : {"[", "]", "[2, 3", "2, 3]"}) {
    EXPECT_THAT(Problem("pipeline.partition", text), HasSubstr("is not a list")) << text;
  }
}

TEST(Quote, CutsBetweenCharacters) {
  // Two bytes each: the limit falls inside one.
  std::string text = "a";
  for (int i = 0; i < 40; ++i) text += "\u00e9";
  EXPECT_EQ(Quote(text), absl::StrCat("\"", text.substr(0, 59), "...\""));
}

TEST(Number, TakesFiniteNumbersInItsRange) {
  for (const JobKey& key : JobKeys()) {
    if (key.type != KeyType::kNumber) continue;
    const auto problem = [&](double value) {
      return ParseKeyValue(key, PrintNumber(value)).problem;
    };
    const double inf = std::numeric_limits<double>::infinity();
    EXPECT_EQ(problem(key.range.min).empty(), !key.range.excludes_min) << key.path;
    EXPECT_EQ(problem(std::nextafter(key.range.min, 1)), "") << key.path;
    EXPECT_NE(problem(std::nextafter(key.range.min, -1)), "") << key.path;
    if (std::isfinite(key.range.max)) {
      EXPECT_EQ(problem(key.range.max).empty(), !key.range.excludes_max) << key.path;
      EXPECT_EQ(problem(std::nextafter(key.range.max, -inf)), "") << key.path;
      EXPECT_NE(problem(std::nextafter(key.range.max, inf)), "") << key.path;
    }
    for (const char* text : {"", "abc", "nan", "inf", "-inf", "1e999", "1,5", "0x1p3", "1e"}) {
      EXPECT_THAT(ParseKeyValue(key, text).problem, HasSubstr("is not a number")) << text;
    }
  }
}

TEST(Number, SaysWhatIsExpected) {
  EXPECT_EQ(Problem("optimizer.lr", "abc"), "\"abc\" is not a number; expected a number > 0");
  EXPECT_EQ(Problem("optimizer.lr", "-1"), "-1 is out of range; expected a number > 0");
  EXPECT_EQ(Problem("optimizer.beta1", "1"), "1 is out of range; expected a number in [0, 1)");
  EXPECT_EQ(Problem("optimizer.lr_floor", "1.5"),
            "1.5 is out of range; expected a number in [0, 1]");
}

TEST(Duration, TakesItsUnits) {
  EXPECT_EQ(Seconds("10ms"), 0.01);
  EXPECT_EQ(Seconds("0.5s"), 0.5);
  EXPECT_EQ(Seconds("250us"), 0.00025);
  EXPECT_EQ(Seconds("100ns"), 1e-7);
  EXPECT_EQ(Seconds("2"), 2.0);
  EXPECT_EQ(Seconds("1e-3"), 0.001);
  EXPECT_EQ(Seconds("0"), 0.0);
}

TEST(Duration, RefusesWhatIsNone) {
  for (const char* text : {"", "ms", "s", "10 parsecs", "3h", "1m", "10mss", "infs", "nan"}) {
    EXPECT_THAT(Problem("emulation.forward_seconds", text), HasSubstr("is not a duration")) << text;
  }
  EXPECT_THAT(Problem("emulation.forward_seconds", "-1ms"), HasSubstr("out of range"));
  EXPECT_THAT(Problem("emulation.forward_seconds", "3601s"), HasSubstr("out of range"));
}

TEST(Name, HasAPattern) {
  for (const char* text : {"a", "demo", "a-1", "run-2026-01-02"}) {
    EXPECT_EQ(Problem("name", text), "") << text;
  }
  EXPECT_EQ(Problem("name", std::string(40, 'a')), "");
  for (const char* text : {"", "1a", "-a", "A", "aB", "a b", "a_b", "a/b", "a.b", "ä", "a\n"}) {
    EXPECT_THAT(Problem("name", text), HasSubstr("is not a name")) << text;
  }
  EXPECT_THAT(Problem("name", std::string(41, 'a')), HasSubstr("is not a name"));
}

TEST(Path, HasALengthAndIsText) {
  EXPECT_EQ(Problem("data.train", std::string(4096, 'x')), "");
  EXPECT_THAT(Problem("data.train", std::string(4097, 'x')), HasSubstr("has 4097 bytes"));
  EXPECT_EQ(Problem("data.validation", ""), "");
  EXPECT_EQ(Problem("data.train", "/daten/köln #1.txt"), "");
  EXPECT_THAT(Problem("data.train", "a\nb"), HasSubstr("control character"));
  EXPECT_THAT(Problem("data.train", std::string("a\0b", 3)), HasSubstr("control character"));
  EXPECT_THAT(Problem("data.train", "\xff"), HasSubstr("is not UTF-8"));
}

TEST(Bool, IsTrueOrFalse) {
  EXPECT_EQ(std::get<bool>(Parse("pipeline.frame_checksums", "true").value), true);
  EXPECT_EQ(std::get<bool>(Parse("pipeline.frame_checksums", "False").value), false);
  for (const char* text : {"", "yes", "1", "on", "truee"}) {
    EXPECT_THAT(Problem("pipeline.frame_checksums", text),
                HasSubstr("is neither true nor false; expected true or false"));
  }
}

TEST(List, TakesBothFormsOfAnOverride) {
  const std::vector<uint64_t> expected = {1, 2, 3};
  for (const char* text : {"[1, 2, 3]", "1,2,3", "[1,2,3]", " 1 , 2 , 3 "}) {
    EXPECT_EQ(std::get<std::vector<uint64_t>>(Parse("pipeline.partition", text).value), expected);
  }
  EXPECT_EQ(std::get<std::vector<uint64_t>>(Parse("pipeline.partition", "[]").value).size(), 0u);
}

TEST(List, RefusesEntriesThatAreNoCounts) {
  EXPECT_THAT(Problem("pipeline.partition", "1,x"), HasSubstr("\"x\" is not a whole number"));
  EXPECT_THAT(Problem("pipeline.partition", "1,0"), HasSubstr("0 is out of range"));
  EXPECT_THAT(Problem("pipeline.partition", "1,1027"), HasSubstr("1027 is out of range"));
  std::string long_list = "1";
  for (int i = 0; i < 1024; ++i) long_list += ",1";
  EXPECT_THAT(Problem("pipeline.partition", long_list), HasSubstr("has 1025 entries"));
}

TEST(Quote, KeepsAnErrorOnOneShortLine) {
  EXPECT_EQ(Quote("a\nb\"c"), "\"a\\nb\\\"c\"");
  EXPECT_EQ(Quote(std::string(100, 'x')), "\"" + std::string(60, 'x') + "...\"");
}

}  // namespace
}  // namespace paci
