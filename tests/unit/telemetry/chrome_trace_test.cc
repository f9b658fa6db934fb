#include "common/telemetry/chrome_trace.h"

#include <gtest/gtest.h>

#include "tests/support/trace_rules.h"

namespace paci {
namespace {

using Json = nlohmann::json;

TEST(ChromeTrace, IsOneJsonObjectHoweverStrangeTheNames) {
  ChromeTrace trace;
  trace.NameProcess(3, "stage \"3\" on w\n");
  trace.NameRow({3, 1}, "sends");
  trace.NameRow({3, 2}, "\xff is no UTF-8");
  trace.AddSlice({3, 1}, "F0", "forward", 0, 2'000'000'123, {{"version", 7}, {"why", "a\\b"}});
  trace.AddInstant({3, 2}, "activation 0", "receive", 1);
  trace.AddArrow(5, "activation 0", {3, 1}, 1000, {3, 1}, 2000);
  trace.AddMetadata("job", "tiny-\"1\"");
  const Json document = Json::parse(trace.ToJson());
  EXPECT_EQ(BrokenTraceRule(document), "");
  EXPECT_EQ(document["otherData"]["job"], "tiny-\"1\"");
  const Json& events = document["traceEvents"];
  ASSERT_EQ(events.size(), 7u);
  EXPECT_EQ(events[0]["args"]["name"], "stage \"3\" on w\n");
  EXPECT_EQ(events[3]["args"]["version"], 7);
  EXPECT_EQ(events[3]["args"]["why"], "a\\b");
}

TEST(ChromeTrace, WithoutEventsIsATraceAsWell) {
  EXPECT_EQ(BrokenTraceRule(Json::parse(ChromeTrace().ToJson())), "");
}

// A double has not enough digits for them, so the text is looked at.
TEST(ChromeTrace, WritesNanosecondsWithoutRounding) {
  ChromeTrace trace;
  trace.AddSlice({0, 0}, "F0", "forward", 9'007'199'254'740'993, 1);
  trace.AddSlice({0, 0}, "F1", "forward", -1'002'003, 0);
  const std::string json = trace.ToJson();
  EXPECT_NE(json.find("\"ts\":9007199254740.993,\"dur\":0.001"), std::string::npos) << json;
  EXPECT_NE(json.find("\"ts\":-1002.003,\"dur\":0.000"), std::string::npos) << json;
}

}  // namespace
}  // namespace paci
