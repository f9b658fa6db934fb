// `pacictl plan` as a script sees it. A stage takes 1 ms forward and 2 ms backward, so that what is
// printed follows from closed forms.

#include <cmath>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/test_folder.h"
#include "tests/support/trace_rules.h"
#include "tests/unit/cli/testdata.h"
#include "yaml-cpp/yaml.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Json = nlohmann::json;

constexpr char kJobFile[] = "tests/unit/cli/testdata/job.yaml";

CommandResult RunPlan(const std::vector<std::string>& more) {
  std::vector<std::string> args = {"plan", kJobFile};
  for (const std::string set : {"forward_seconds=1ms", "backward_seconds=2ms"}) {
    args.insert(args.end(), {"--set", "emulation." + set});
  }
  args.insert(args.end(), more.begin(), more.end());
  return RunBinary(args);
}

TEST(Plan, ComparesAndRecommends) {
  const CommandResult result = RunPlan(
      {"--schedules", "paci,1f1b,zb-h1,async", "--stages", "2,4", "--device-memory", "24MiB"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  ExpectGolden("plan", result.out);
}

TEST(Plan, DrawsTheRecommendedChoice) {
  const CommandResult result =
      RunPlan({"--schedules", "1f1b", "--accumulation", "3", "--stages", "3", "--gantt"});
  EXPECT_EQ(result.code, 0) << result.err;
  ExpectGolden("plan.gantt", result.out);
}

// Scripts depend on every name in these.
TEST(Plan, Documents) {
  const std::vector<std::string> args = {
      "--schedules", "paci,async", "--link-bandwidth", "10Gbit", "--device-memory", "80GiB", "-o"};
  const auto with = [&](const std::string& format) {
    std::vector<std::string> more = args;
    more.push_back(format);
    return RunPlan(more);
  };
  const CommandResult json = with("json");
  EXPECT_EQ(json.code, 0) << json.err;
  ExpectGolden("plan.json", json.out);
  const YAML::Node yaml = YAML::Load(with("yaml").out);
  EXPECT_EQ(yaml["recommended"]["schedule"].as<std::string>(), "paci");
  EXPECT_EQ(yaml["choices"].size(), 1u);
  EXPECT_EQ(yaml["skipped"][0]["schedule"].as<std::string>(), "async");
}

TEST(Plan, AJobWithADriftLimitIsPlannedInTheMicroBatchesThatItBeginsWith) {
  std::vector<std::string> args = {"plan", kJobFile, "--schedules", "paci,1f1b", "-o", "json"};
  for (const std::string set : {"pipeline.accumulation=2", "pipeline.drift_limit=0.01",
                                "checkpoint.dir=/tmp/paci/tiny", "checkpoint.every=10"}) {
    args.insert(args.end(), {"--set", set});
  }
  const CommandResult result = RunBinary(args);
  EXPECT_EQ(result.code, 0) << result.err;
  const Json choices = Json::parse(result.out)["choices"];
  ASSERT_EQ(choices.size(), 2);
  for (const Json& choice : choices) EXPECT_EQ(choice["accumulation"], 4) << choice["schedule"];
}

TEST(Plan, TriesEveryScheduleAtTheJobsShapeByDefault) {
  const Json plan = Json::parse(RunBinary({"plan", kJobFile, "-o", "json"}).out);
  EXPECT_EQ(plan["choices"].size() + plan["skipped"].size(), 13u);
  for (const Json& choice : plan["choices"]) {
    EXPECT_EQ(choice["stages"], 4);
    EXPECT_EQ(choice["accumulation"], 8);
  }
  EXPECT_THAT(plan["costs"].get<std::string>(), StartsWith("arithmetic by unit at 1e+13 "));
}

TEST(Plan, WhenNothingFitsItFailsAndSaysWhatEachNeeds) {
  const CommandResult result = RunPlan({"--device-memory", "1MiB", "-o", "json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.err, testing::ContainsRegex(
                              "^pacictl: no choice fits into --device-memory 1MiB; the one that "
                              "needs the least is [a-z0-9-]+, 4 stages, accumulation 8, with "
                              "[0-9.]+ MiB\n$"));
  const Json plan = Json::parse(result.out);
  EXPECT_TRUE(plan["recommended"].is_null());
  EXPECT_EQ(plan["reason"], "no choice fits into the device's memory");
  EXPECT_GT(plan["choices"].size(), 1u);
}

TEST(Plan, TakesMeasuredCosts) {
  const TestFolder folder;
  const std::string costs = folder.Write("costs.json", R"({"forward_seconds": [0, 1, 1, 1, 1, 0],
                                     "backward_seconds": [0, 2, 2, 2, 2, 0]})");
  const CommandResult result =
      RunPlan({"--costs", costs, "--schedules", "paci", "--stages", "2", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const Json plan = Json::parse(result.out);
  EXPECT_EQ(plan["costs"], "measured seconds by unit");
  EXPECT_NEAR(plan["choices"][0]["tokens_per_second"].get<double>(), 4 * 128 / 6.0, 1e-6);
}

// The limit is that of the slowest stage, 3 * 1.5 ms.
TEST(Plan, SlowsStragglersDown) {
  const CommandResult result = RunPlan({"--schedules", "paci", "--set", "pipeline.order=strict",
                                        "--straggler", "3=1.5", "-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  const Json plan = Json::parse(result.out);
  EXPECT_EQ(plan["costs"], "the job's emulation, stage 3 takes 1.5 times as long");
  EXPECT_EQ(plan["stragglers"], Json::parse(R"([{"stage": 3, "factor": 1.5}])"));
  EXPECT_NEAR(plan["choices"][0]["tokens_per_second"].get<double>(), 4 * 128 / 0.0045, 1e-6);
  EXPECT_NEAR(plan["choices"][0]["share_of_limit"].get<double>(), 1, 1e-9);
}

TEST(Plan, JitterCostsTheSameInEveryRun) {
  const std::vector<std::string> args = {"--schedules", "paci", "--jitter", "0.2", "-o", "json"};
  const CommandResult result = RunPlan(args);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(RunPlan(args).out, result.out);
  const Json plan = Json::parse(result.out);
  EXPECT_EQ(plan["costs"], "the job's emulation, jitter 0.2");
  EXPECT_EQ(plan["jitter"], 0.2);
  EXPECT_LT(plan["choices"][0]["share_of_limit"], 0.97);
  EXPECT_GT(plan["choices"][0]["share_of_limit"], 0.7);
}

TEST(Plan, WritesAChromeTrace) {
  const TestFolder folder;
  const std::string path = folder.path() + "/trace.json";
  const CommandResult result = RunPlan({"--schedules", "paci", "--trace", path});
  EXPECT_EQ(result.code, 0) << result.err;
  const Json trace = Json::parse(ReadFile(path));
  EXPECT_EQ(BrokenTraceRule(trace), "");
  std::set<int> stages;
  for (const Json& event : trace["traceEvents"]) {
    if (event["ph"] == "X") stages.insert(event["tid"].get<int>());
  }
  EXPECT_EQ(stages.size(), 4u);
}

TEST(Plan, ATraceThatCannotBeWrittenFails) {
  const CommandResult result = RunPlan({"--schedules", "paci", "--trace", "/nowhere/trace.json"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err,
            "pacictl: --trace: /nowhere/trace.json cannot be written: No such file or directory\n");
}

TEST(Plan, WhenEveryChoiceIsForbiddenItFailsAndSaysWhy) {
  const CommandResult result = RunPlan({"--schedules", "async"});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, StartsWith("pacictl: nothing to simulate: every choice breaks a rule of "
                                     "the job file\npacictl: async, 4 stages, accumulation 8: "));
}

void ExpectUsageError(const std::vector<std::string>& args, const std::string& error) {
  const CommandResult result = RunPlan(args);
  EXPECT_EQ(result.code, 2) << testing::PrintToString(args);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("pacictl: " + error));
}

TEST(Plan, EachMistakeNamesItsOption) {
  ExpectUsageError({"--schedules", "pacy"},
                   "--schedules: no schedule is called \"pacy\"; there are: paci, 1f1b, gpipe, ");
  ExpectUsageError({"--schedules", ""}, "--schedules: is empty; see pacictl plan --help\n");
  ExpectUsageError({"--device-memory", ""}, "--device-memory: is empty; see pacictl plan --help\n");
  ExpectUsageError({"--stages", "2,-4"},
                   "--stages: \"-4\" is out of range; expected a whole number in 1..1024\n");
  ExpectUsageError({"--accumulation", "8,,16"}, "--accumulation: \"\" is not a whole number; ");
  ExpectUsageError({"--device-memory", "80G"}, "--device-memory: \"80G\" is not right; ");
  ExpectUsageError({"--device-flops", "-1T"}, "--device-flops: \"-1T\" is not right; ");
  ExpectUsageError({"--link-latency", "soon"}, "--link-latency: \"soon\" is not a duration; ");
  ExpectUsageError({"--link-bandwidth", "10"}, "--link-bandwidth: \"10\" is not right; ");
  ExpectUsageError({"--jitter", "5%"}, "--jitter: \"5%\" is not a number; ");
  ExpectUsageError({"--straggler", "2"}, "--straggler: \"2\" is not right; expected STAGE=FACTOR");
  ExpectUsageError({"--straggler", "2=1.5", "--stages", "4,2"},
                   "straggler 2: expected a stage in 0..1 of a pipeline of 2\n");
  ExpectUsageError({"--costs", "/nowhere/costs.json"},
                   "/nowhere/costs.json: cannot be read: No such file or directory\n");
  ExpectUsageError({"--gantt", "-o", "json"}, "--gantt is for -o table\n");
  const TestFolder folder;
  const std::string costs = folder.Write("costs.json", R"({"forward_seconds": [1]})");
  ExpectUsageError({"--costs", costs}, costs + ": backward_seconds: is missing\n");
}

TEST(Plan, AJobFileThatIsNotThereIsAUsageError) {
  EXPECT_EQ(RunBinary({"plan", "/nowhere/job.yaml"}).code, 2);
}

}  // namespace
}  // namespace paci::cli
