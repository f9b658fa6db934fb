#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

#include "common/simulator/gantt.h"
#include "common/simulator/simulation_trace.h"
#include "nlohmann/json.hpp"
#include "tests/support/random_preset.h"
#include "tests/support/simulated_pipeline.h"
#include "tests/support/trace_rules.h"

namespace paci {
namespace {

using Json = nlohmann::json;

Simulation RunOf(const std::string& preset, int64_t stages, int64_t accumulation) {
  ScheduleConfig config;
  config.stages = stages;
  config.accumulation = accumulation;
  config.milestones.updates = 3;
  ApplyPreset(FindPreset(preset).value(), config);
  return SimulateOrFail(config, SimulatedCosts::Equal(stages, {.forward_seconds = 1,
                                                               .backward_input_seconds = 1,
                                                               .backward_weight_seconds = 1,
                                                               .update_seconds = 1}));
}

// 16 seconds on 32 columns.
TEST(Gantt, IsALineAStage) {
  EXPECT_EQ(Gantt(RunOf("1f1b", 3, 3), 1, 40),
            "        0                           16 s\n"
            "stage 0 FFFFFF........BBBB..BBBB..BBBBSS\n"
            "stage 1 ..FFFF....BBBBFFBBBB..BBBBSS....\n"
            "stage 2 ....FFBBBBFFBBBBFFBBBBSS........\n");
}

// 32 seconds on 32 columns.
TEST(Gantt, ShowsBothHalvesOfABackward) {
  EXPECT_EQ(Gantt(RunOf("zb-h1", 2, 10), 1, 40),
            "        0                           32 s\n"
            "stage 0 FF.BWFBWFBWFBWFBWFBWFBWFBWFBWBWS\n"
            "stage 1 .FBFBWFBWFBWFBWFBWFBWFBWFBWFBWWS\n");
}

TEST(Gantt, HasAtLeastFortyColumnsAndNeverMoreThanItIsGiven) {
  for (const int64_t columns : {1, 40, 80, 200}) {
    const std::string chart = Gantt(RunOf("paci", 12, 4), 2, columns);
    size_t begin = 0;
    for (size_t end; (end = chart.find('\n', begin)) != std::string::npos; begin = end + 1) {
      EXPECT_EQ(end - begin, std::max<size_t>(40, columns));
    }
  }
}

RC_GTEST_PROP(SimulationTrace, KeepsTheRulesAndHasEveryAction, (uint64_t seed)) {
  ScheduleConfig config;
  config.stages = *rc::gen::inRange<int64_t>(1, 6);
  config.accumulation = *rc::gen::inRange<int64_t>(1, 6);
  config.milestones.updates = 3;
  config.milestones.eval_every = 2;
  config.milestones.eval_batches = 1;
  config.milestones.checkpoint_last = true;
  ApplyRandomPreset(config);
  const Simulation run = SimulateOrFail(config, RandomCosts(config, seed));
  const Json trace = Json::parse(ToChromeTrace(run));
  RC_ASSERT(BrokenTraceRule(trace) == "");
  std::map<int64_t, size_t> events;
  std::map<int64_t, std::string> names;
  for (const Json& event : trace.at("traceEvents")) {
    RC_ASSERT(event.at("pid") == 0);
    const int64_t thread = event.at("tid");
    if (event.at("ph") == "M") {
      if (event.at("name") == "thread_name") names[thread] = event.at("args").at("name");
      continue;
    }
    RC_ASSERT(event.at("ph") == "X");
    const int64_t start = std::llround(event.at("ts").get<double>() * 1e3);
    const TimedAction& timed = run.stages[thread].trace[events[thread]++];
    RC_ASSERT(event.at("name") == ToString(timed.action));
    RC_ASSERT(event.at("args").at("version") == timed.version);
    RC_ASSERT(start == std::llround(timed.start_seconds * 1e9));
  }
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(names[i] == "stage " + std::to_string(i));
    RC_ASSERT(events[i] == run.stages[i].trace.size());
  }
}

}  // namespace
}  // namespace paci
