#include "common/telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/telemetry/log_line.h"

namespace paci {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

const absl::Time kTime = absl::FromUnixMillis(1767323045678);

TEST(LogLine, TextHasTimeLevelMessageAndFields) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kInfo, "stage started",
                          {{"job", "x"}, {"stage", 1}}),
            "2026-01-02T03:04:05.678Z INFO stage started  job=x stage=1");
}

TEST(LogLine, TextWithoutFieldsEndsAtTheMessage) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kWarning, "slow", {}),
            "2026-01-02T03:04:05.678Z WARNING slow");
}

TEST(LogLine, TextQuotesAValueThatCouldBeMistaken) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, kTime, LogLevel::kError, "lost",
                          {{"why", "no \"route\" to host"}, {"a", ""}, {"b", "c=d"}}),
            "2026-01-02T03:04:05.678Z ERROR lost  why=\"no \\\"route\\\" to host\" a=\"\" "
            "b=\"c=d\"");
}

TEST(LogLine, NeitherFormatIsBrokenByALineBreak) {
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line =
        FormatLogLine(format, kTime, LogLevel::kInfo, "one\ntwo\r", {{"k", "a\nb"}});
    EXPECT_THAT(line, ::testing::Not(HasSubstr("\n")));
    EXPECT_THAT(line, ::testing::Not(HasSubstr("\r")));
  }
}

TEST(LogLine, JsonIsAnObjectOfStrings) {
  const std::string line = FormatLogLine(LogFormat::kJson, kTime, LogLevel::kDebug, "say \"hi\"",
                                         {{"job", "x"}, {"stage", 1}});
  EXPECT_EQ(
      line,
      R"({"time":"2026-01-02T03:04:05.678Z","level":"debug","message":"say \"hi\"","job":"x","stage":"1"})");
  EXPECT_TRUE(nlohmann::json::accept(line));
}

TEST(LogLine, JsonStaysValidWithBytesThatAreNotUtf8) {
  const std::string line =
      FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "\xff\xfe", {{"k", "\xc3"}});
  EXPECT_TRUE(nlohmann::json::accept(line));
}

TEST(LogLine, AFieldDoesNotReplaceTheMessage) {
  const std::string line =
      FormatLogLine(LogFormat::kJson, kTime, LogLevel::kInfo, "real", {{"message", "forged"}});
  EXPECT_EQ(nlohmann::json::parse(line)["message"], "real");
}

// The tests below share the process's logger and restore its initial state.
class Logging : public ::testing::Test {
 protected:
  ~Logging() override { EXPECT_TRUE(InitLogging("warning", "text").ok()); }
};

TEST_F(Logging, IsQuietBelowItsLevel) {
  CaptureStderr();
  LogInfo("not this");
  LogWarning("but this");
  const std::string out = GetCapturedStderr();
  EXPECT_THAT(out, ::testing::Not(HasSubstr("not this")));
  EXPECT_THAT(out, HasSubstr(" WARNING but this\n"));
}

TEST_F(Logging, LevelAndFormatCanBeSet) {
  ASSERT_TRUE(InitLogging("debug", "json").ok());
  CaptureStderr();
  LogDebug("everything", {{"stage", 3}});
  const nlohmann::json object = nlohmann::json::parse(GetCapturedStderr());
  EXPECT_EQ(object["level"], "debug");
  EXPECT_EQ(object["stage"], "3");
  ASSERT_TRUE(InitLogging("error", "json").ok());
  CaptureStderr();
  LogWarning("too low");
  EXPECT_THAT(GetCapturedStderr(), IsEmpty());
}

TEST_F(Logging, SaysWhichLevelsAndFormatsThereAre) {
  const absl::Status level = InitLogging("loud", "text");
  EXPECT_EQ(level.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(level.message(), "log level \"loud\" is none of debug, info, warning, error");
  const absl::Status format = InitLogging("info", "xml");
  EXPECT_EQ(format.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(format.message(), "log format \"xml\" is neither text nor json");
}

TEST_F(Logging, AFailedInitChangesNothing) {
  ASSERT_FALSE(InitLogging("debug", "xml").ok());
  CaptureStderr();
  LogInfo("still quiet");
  EXPECT_THAT(GetCapturedStderr(), IsEmpty());
}

TEST_F(Logging, LinesOfManyThreadsAreWhole) {
  ASSERT_TRUE(InitLogging("info", "json").ok());
  CaptureStderr();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) LogInfo("a message of some length", {{"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::string> lines = absl::StrSplit(GetCapturedStderr(), '\n', absl::SkipEmpty());
  EXPECT_EQ(lines.size(), 800u);
  for (const std::string& line : lines) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
}

}  // namespace
}  // namespace paci
