// What the simulator makes of pipelines that can be worked out by hand or by a formula.
#include "common/simulator/simulator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/schedule/presets.h"
#include "tests/support/simulated_pipeline.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A forward takes 1, a backward 2 in two halves of 1.
constexpr StageCosts kUnit = {
    .forward_seconds = 1, .backward_input_seconds = 1, .backward_weight_seconds = 1};

ScheduleConfig ConfigOf(const std::string& preset, int64_t stages, int64_t accumulation,
                        int64_t updates) {
  ScheduleConfig config;
  config.stages = stages;
  config.accumulation = accumulation;
  config.milestones.updates = updates;
  ApplyPreset(FindPreset(preset).value(), config);
  return config;
}

struct Shape {
  int64_t stages, accumulation, updates;
};
constexpr Shape kShapes[] = {{1, 1, 3}, {2, 4, 3}, {4, 8, 2}, {4, 3, 5}, {8, 16, 3}, {7, 20, 2}};

// GPipe, section 2.3; PipeDream-2BW, section 2.
TEST(ClosedForm, AFlushCostsAFillAndADrainEveryUpdate) {
  for (const auto& [n, a, updates] : kShapes) {
    for (const char* preset : {"gpipe", "1f1b"}) {
      const ScheduleConfig config = ConfigOf(preset, n, a, updates);
      const Simulation run = SimulateOrFail(config, SimulatedCosts::Equal(n, kUnit));
      EXPECT_EQ(run.end_seconds, updates * (a + n - 1) * 3);
      const double bubbles = static_cast<double>(n - 1) / (a + n - 1);
      EXPECT_NEAR(run.bubble_share, bubbles, 1e-12);
      EXPECT_NEAR(run.ShareOfLimit(), 1 - bubbles, 1e-12);
      for (const SimulatedStage& stage : run.stages) EXPECT_EQ(stage.lag.max, 0);
    }
  }
}

TEST(ClosedForm, PaciLosesOnlyTheFirstFillAndTheLastDrain) {
  for (const auto& [n, a, updates] : kShapes) {
    const Simulation run =
        SimulateOrFail(ConfigOf("paci", n, a, updates), SimulatedCosts::Equal(n, kUnit));
    EXPECT_EQ(run.end_seconds, (updates * a + n - 1) * 3);
    EXPECT_NEAR(run.ShareOfLimit(), 1, 1e-12);
  }
}

// Zero Bubble, section 2.1: the bubble of ZB-H1 is (N - 1)(F + B - W) an update.
TEST(ClosedForm, ZbH1WaitsForAThirdOfTheFlush) {
  for (const auto& [n, a, updates] : kShapes) {
    if (a < 2 * n) continue;
    const Simulation run =
        SimulateOrFail(ConfigOf("zb-h1", n, a, updates), SimulatedCosts::Equal(n, kUnit));
    EXPECT_EQ(run.end_seconds, updates * (a * 3 + (n - 1))) << n << " " << a;
  }
}

// Zero Bubble, section 2.2.
TEST(ClosedForm, Zb2pLosesOnlyTheFirstFill) {
  for (const auto& [n, a, updates] : kShapes) {
    if (a < 2 * n) continue;
    const Simulation run =
        SimulateOrFail(ConfigOf("zb-2p", n, a, updates), SimulatedCosts::Equal(n, kUnit));
    EXPECT_EQ(run.end_seconds, updates * a * 3 + (n - 1)) << n << " " << a;
  }
}

// N micro-batches are in flight at stage 0, and one is back after N (F + B) and 2 (N - 1) links.
double CycleOf(int64_t stages, double link_seconds) {
  const auto n = static_cast<double>(stages);
  return 3 + 2 * (n - 1) / n * link_seconds;
}

Simulation PaciOverLinks(int64_t stages, int64_t extra_in_flight, const LinkCosts& link) {
  // What repeats is N micro-batches: whole rounds of it in what is measured.
  ScheduleConfig config = ConfigOf("paci", stages, 2 * stages, 20);
  config.extra_in_flight = extra_in_flight;
  return SimulateOrFail(config, SimulatedCosts::Equal(stages, kUnit, link));
}

TEST(ClosedForm, SlowLinksLengthenPacisCycle) {
  for (const int64_t n : {2, 3, 4, 6}) {
    for (const double t : {0.25, 0.5, 1.0, 2.0, 5.0}) {
      const Simulation run = PaciOverLinks(n, 0, {.latency_seconds = t});
      EXPECT_NEAR(1 / run.micro_batches_per_second, CycleOf(n, t), 1e-9) << n << " " << t;
    }
  }
}

// With N + 1 in flight 2 (N - 1) t <= F + B would do if nobody waited for a neighbour's action to
// end. Two stages reach that; more of them hide the greater part.
TEST(ClosedForm, OneMoreInFlightHidesShortLinks) {
  for (const double t : {0.25, 0.5, 1.0, 1.5}) {
    const Simulation run = PaciOverLinks(2, 1, {.latency_seconds = t});
    EXPECT_NEAR(1 / run.micro_batches_per_second, 3, 1e-9) << t;
  }
  for (const int64_t n : {3, 4, 6}) {
    for (const double t : {0.05, 0.1, 0.2}) {
      const Simulation run = PaciOverLinks(n, 1, {.latency_seconds = t});
      const double lost = 1 / run.micro_batches_per_second - 3;
      EXPECT_GE(lost, 0) << n << " " << t;
      EXPECT_LT(lost, 0.7 * (CycleOf(n, t) - 3)) << n << " " << t;
    }
  }
}

TEST(ClosedForm, FramesOccupyTheirLinkOneAfterAnother) {
  // Enough in flight to fill a link that takes 5 a frame, longer than the 3 of a micro-batch.
  const Simulation run = PaciOverLinks(2, 8, {.bytes_per_second = 100, .frame_bytes = 500});
  EXPECT_NEAR(1 / run.micro_batches_per_second, 5, 1e-9);
}

Simulation PaciWithStraggler(Order order, size_t straggler) {
  ScheduleConfig config = ConfigOf("paci", 4, 8, 50);
  config.order = order;
  auto costs = SimulatedCosts::Equal(4, kUnit);
  costs.stages[straggler].slowdown = 1.5;
  return SimulateOrFail(config, costs);
}

TEST(Straggler, DecidesPacisThroughput) {
  for (const size_t straggler : {0, 1, 2, 3}) {
    const Simulation run = PaciWithStraggler(Order::kStrict, straggler);
    EXPECT_NEAR(1 / run.limit_micro_batches_per_second, 4.5, 1e-12);
    EXPECT_NEAR(run.ShareOfLimit(), 1, 0.01) << straggler;
  }
  EXPECT_NEAR(PaciWithStraggler(Order::kDrainFirst, 3).ShareOfLimit(), 1, 1e-9);
}

// Gradients reach a slow first stage faster than it works, so that with drain_first it does all N
// backwards, then all N forwards, and the others run dry: 5.625 a micro-batch.
TEST(Straggler, AheadOfTheOthersBunchesMicroBatchesWithDrainFirst) {
  const Simulation run = PaciWithStraggler(Order::kDrainFirst, 0);
  EXPECT_NEAR(run.ShareOfLimit(), 0.8, 1e-9);
}

TEST(Straggler, ItsUpdatesAreShared) {
  auto costs = SimulatedCosts::Equal(4, kUnit);
  costs.stages[3].update_seconds = 0.8;
  const Simulation run = SimulateOrFail(ConfigOf("paci", 4, 8, 10), costs);
  EXPECT_NEAR(1 / run.limit_micro_batches_per_second, 3 + 0.8 / 8, 1e-12);
  EXPECT_NEAR(run.ShareOfLimit(), 1, 1e-9);
}

// Two stages, an update every micro-batch:
//   stage 0   F0 F1 .. .. B0 B0 F2 B1 B1 .. B2 B2
//   stage 1   .. F0 B0 B0 F1 B1 B1 F2 B2 B2 .. ..
class ByHand : public testing::Test {
 protected:
  static Simulation Run(const std::string& preset) {
    return SimulateOrFail(ConfigOf(preset, 2, 1, 3), SimulatedCosts::Equal(2, kUnit));
  }
};

TEST_F(ByHand, Times) {
  const Simulation run = Run("async");
  EXPECT_EQ(run.end_seconds, 12);
  EXPECT_THAT(run.last_stage_update_seconds, ElementsAre(4, 7, 10));
  EXPECT_THAT(run.update_seconds, ElementsAre(6, 9, 12));
  EXPECT_EQ(run.micro_batches_per_second, 1.0 / 3);
  EXPECT_EQ(run.bubble_share, 0.25);
  for (const SimulatedStage& stage : run.stages) {
    EXPECT_EQ(stage.forward_seconds, 3);
    EXPECT_EQ(stage.backward_seconds, 6);
    EXPECT_EQ(stage.idle_seconds, 3);
  }
  std::vector<double> starts;
  for (const TimedAction& timed : run.stages[0].trace) starts.push_back(timed.start_seconds);
  EXPECT_EQ(ToString(ActionsOf(run.stages[0])), "F0 F1 B0 S0 F2 B1 S1 B2 S2");
  EXPECT_THAT(starts, ElementsAre(0, 1, 4, 6, 6, 7, 9, 10, 12));
}

TEST_F(ByHand, LagInFlightAndVersions) {
  const Simulation run = Run("async");
  const SimulatedStage& first = run.stages[0];
  EXPECT_THAT(VersionsOf(first, ActionKind::kForward), ElementsAre(0, 0, 1));
  EXPECT_THAT(VersionsOf(first, ActionKind::kBackward), ElementsAre(0, 1, 2));
  EXPECT_THAT(first.lag.counts, ElementsAre(1, 2));
  EXPECT_EQ(first.lag.max, 1);
  EXPECT_EQ(first.lag.mean, 2.0 / 3);
  EXPECT_EQ(first.max_in_flight, 2);
  EXPECT_EQ(first.max_held, 2);
  EXPECT_EQ(run.stages[1].max_in_flight, 1);
  EXPECT_THAT(run.stages[1].lag.counts, ElementsAre(3));
}

TEST_F(ByHand, WeightsKept) {
  const auto versions = [](const std::string& preset) {
    const Simulation run = Run(preset);
    return std::vector<int64_t>{run.stages[0].max_weight_versions,
                                run.stages[1].max_weight_versions};
  };
  EXPECT_THAT(versions("paci"), ElementsAre(1, 1));
  EXPECT_THAT(versions("nesterov"), ElementsAre(1, 1));
  EXPECT_THAT(versions("pipedream"), ElementsAre(2, 1));  // that of F1, and the one after S0
  EXPECT_THAT(versions("pipedream-2bw"), ElementsAre(2, 2));
  EXPECT_THAT(versions("pipemare"), ElementsAre(3, 3));
  EXPECT_THAT(versions("pipeoptim"), ElementsAre(2, 2));
  EXPECT_THAT(versions("spectrain"), ElementsAre(2, 2));
}

TEST(Stash, KeepsAVersionForEveryStageThatFollows) {
  const Simulation run =
      SimulateOrFail(ConfigOf("pipedream", 5, 1, 20), SimulatedCosts::Equal(5, kUnit));
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(run.stages[i].max_weight_versions, 5 - i) << i;
}

std::string ErrorOf(const ScheduleConfig& config, const SimulatedCosts& costs) {
  return std::string(Simulate(config, costs).status().message());
}

TEST(Simulator, APipelineThatStandsStillSaysWhoWaitsForWhat) {
  ScheduleConfig config = ConfigOf("paci", 3, 2, 4);
  config.extra_in_flight = -2;  // nothing may be in flight at stage 1
  const auto costs = SimulatedCosts::Equal(3, kUnit);
  EXPECT_EQ(Simulate(config, costs).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ErrorOf(config, costs),
            "the pipeline stands still after 1 seconds; "
            "stage 0, 0 of 4 updates done, waits for a gradient; "
            "stage 1, 0 of 4 updates done, waits for a gradient; "
            "stage 2, 0 of 4 updates done, waits for an activation");
}

TEST(Simulator, WrongCostsAreNamed) {
  const ScheduleConfig config = ConfigOf("paci", 2, 2, 4);
  auto costs = SimulatedCosts::Equal(2, kUnit);
  costs.stages[1].forward_seconds = -1;
  EXPECT_EQ(ErrorOf(config, costs),
            "stage 1: forward_seconds is -1; expected a finite number >= 0");
  costs = SimulatedCosts::Equal(2, kUnit);
  costs.stages[0].slowdown = 0;
  EXPECT_EQ(ErrorOf(config, costs), "stage 0: slowdown is 0; expected a finite number > 0");
  costs = SimulatedCosts::Equal(2, kUnit);
  costs.links[0].bytes_per_second = 0;
  EXPECT_EQ(ErrorOf(config, costs), "link 0: bytes_per_second is 0; expected a number > 0");
  EXPECT_EQ(ErrorOf(config, SimulatedCosts::Equal(3, kUnit)),
            "costs of 3 stages for a pipeline of 2");
  costs = SimulatedCosts::Equal(2, {.forward_seconds = 1e9});
  EXPECT_THAT(ErrorOf(config, costs), HasSubstr("the run could take 1.6e+10 seconds"));
  costs = SimulatedCosts::Equal(2, kUnit);
  costs.jitter.relative_deviation = 11;
  EXPECT_THAT(ErrorOf(config, costs), HasSubstr("jitter: relative_deviation is 11"));
}

}  // namespace
}  // namespace paci
