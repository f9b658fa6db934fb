// What every schedule promises, on random pipelines with random timing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "common/schedule/presets.h"
#include "tests/support/virtual_pipeline.h"

namespace paci {
namespace {

VirtualCosts RandomCosts(uint64_t seed) {
  auto random = std::make_shared<std::mt19937_64>(seed);
  return {[random](int64_t, Action) { return static_cast<int64_t>((*random)() % 20); },
          [random](int64_t, int64_t) { return static_cast<int64_t>((*random)() % 50); }};
}

VirtualCosts ConstantCosts() {
  return {[](int64_t, Action action) -> int64_t {
            if (action.kind == ActionKind::kForward) return 1;
            return action.kind == ActionKind::kBackward ? 2 : 0;
          },
          [](int64_t, int64_t) -> int64_t { return 0; }};
}

ScheduleConfig RandomConfig() {
  ScheduleConfig config;
  config.stages = *rc::gen::inRange<int64_t>(1, 13);
  config.accumulation = *rc::gen::inRange<int64_t>(1, 17);
  config.order = *rc::gen::element(Order::kDrainFirst, Order::kStrict);
  config.extra_in_flight = *rc::gen::inRange<int64_t>(0, 3);
  config.milestones.updates = *rc::gen::inRange<int64_t>(1, 8);
  config.milestones.eval_every = *rc::gen::inRange<int64_t>(0, 4);
  config.milestones.eval_batches = *rc::gen::inRange<int64_t>(1, 4);
  config.milestones.checkpoint_every = *rc::gen::inRange<int64_t>(0, 4);
  config.milestones.checkpoint_last = *rc::gen::arbitrary<bool>();
  ApplyPreset(*rc::gen::elementOf(Presets()), config);
  return config;
}

bool Splits(const ScheduleConfig& config) {
  return config.order == Order::kSplit1 || config.order == Order::kSplit2;
}

// As their papers have them; p: the activation budget of a zero-bubble schedule.
int64_t InFlightCapOf(const ScheduleConfig& config, int64_t i) {
  const int64_t p = config.order == Order::kSplit2 ? 2 : 1;
  if (config.order == Order::kFillDrain) return config.accumulation;
  if (Splits(config)) return p * (config.stages - i) - (p - 1);
  return i == config.stages - 1 ? 1 : config.stages - i + config.extra_in_flight;
}
int64_t HeldCapOf(const ScheduleConfig& config, int64_t i) {
  const int64_t p = config.order == Order::kSplit2 ? 2 : 1;
  return Splits(config) ? p * config.stages - (p - 1) : InFlightCapOf(config, i);
}
int64_t LagBoundOf(const ScheduleConfig& config, int64_t i) {
  if (config.boundary == UpdateBoundary::kFlush) return 0;
  if (config.weights == WeightPolicy::kDoubleBuffer) return 1;
  const int64_t a = config.accumulation;
  return (InFlightCapOf(config, i) - 1 + a - 1) / a;
}

RC_GTEST_PROP(Schedule, FinishesWithEveryMicroBatchOnceAndInOrder, ()) {
  const ScheduleConfig config = RandomConfig();
  const VirtualRun run = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  RC_ASSERT(run.stuck == "");
  RC_ASSERT(run.broken.ok());
  const int64_t updates = config.milestones.updates;
  for (const VirtualStage& stage : run.stages) {
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kForward) == CountTo(config.MicroBatches()));
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kBackward) == CountTo(config.MicroBatches()));
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kWeights) ==
              CountTo(Splits(config) ? config.MicroBatches() : 0));
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kStep) == CountTo(updates));
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kEvaluate) ==
              CountTo(config.milestones.EvaluationsDue(updates)));
    RC_ASSERT(IndicesOf(stage.trace, ActionKind::kCheckpoint) ==
              CountTo(config.milestones.CheckpointsDue(updates)));
  }
}

RC_GTEST_PROP(Schedule, KeepsInFlightAndLagBelowTheirBounds, ()) {
  const ScheduleConfig config = RandomConfig();
  const VirtualRun run = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  for (int64_t i = 0; i < config.stages; ++i) {
    const VirtualStage& stage = run.stages[i];
    const auto schedule = MakeSchedule(config, i);
    RC_ASSERT(schedule->InFlightCap() == InFlightCapOf(config, i));
    RC_ASSERT(schedule->ActivationCap() == HeldCapOf(config, i));
    RC_ASSERT(schedule->LagBound() == LagBoundOf(config, i));
    RC_ASSERT(stage.max_in_flight <= InFlightCapOf(config, i));
    RC_ASSERT(stage.max_held <= HeldCapOf(config, i));
    RC_ASSERT(*std::max_element(stage.lags.begin(), stage.lags.end()) <= LagBoundOf(config, i));
  }
}

// Which weights each pass uses, against the definition of each policy.
RC_GTEST_PROP(Schedule, UsesTheVersionsOfItsWeightPolicy, ()) {
  const ScheduleConfig config = RandomConfig();
  const VirtualRun run = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  for (const VirtualStage& stage : run.stages) {
    for (int64_t m = 0; m < config.MicroBatches(); ++m) {
      const int64_t own_update = m / config.accumulation;
      const int64_t forward = stage.forward_versions[m], backward = stage.backward_versions[m];
      switch (config.weights) {
        case WeightPolicy::kDoubleBuffer:
          RC_ASSERT(forward == std::max<int64_t>(0, own_update - 1));
          RC_ASSERT(backward == forward);
          break;
        case WeightPolicy::kStash:
          RC_ASSERT(forward <= own_update);
          RC_ASSERT(backward == forward);
          break;
        default:
          RC_ASSERT(forward <= own_update);
          RC_ASSERT(backward == own_update);
      }
      if (config.boundary == UpdateBoundary::kFlush) RC_ASSERT(forward == own_update);
    }
  }
}

RC_GTEST_PROP(Schedule, ValidatesEveryStageAtTheWeightsOfTheSameUpdate, ()) {
  ScheduleConfig config = RandomConfig();
  config.milestones.eval_every = *rc::gen::inRange<int64_t>(1, 4);
  const VirtualRun run = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  for (const VirtualStage& stage : run.stages) {
    for (size_t k = 0; k < stage.seen_update.size(); ++k) {
      RC_ASSERT(stage.seen_update[k] == config.milestones.UpdateOfEvaluation(k));
    }
    RC_ASSERT(stage.seen_update.front() == 0);
    RC_ASSERT(stage.seen_update.back() == config.milestones.updates);
  }
}

RC_GTEST_PROP(Schedule, StrictOrderDoesNotDependOnTiming, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(config.order == Order::kDrainFirst || config.order == Order::kStrict);
  config.order = Order::kStrict;
  const VirtualRun one = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  const VirtualRun two = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(ToString(one.stages[i].trace) == ToString(two.stages[i].trace));
  }
}

RC_GTEST_PROP(Schedule, OneStageIsPlainGradientAccumulation, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(!Splits(config) && config.order != Order::kFillDrain);
  config.stages = 1;
  config.milestones.eval_every = 0;
  config.milestones.checkpoint_every = 0;
  config.milestones.checkpoint_last = false;
  std::vector<Action> plain;
  for (int64_t m = 0; m < config.MicroBatches(); ++m) {
    plain.push_back({ActionKind::kForward, m});
    plain.push_back({ActionKind::kBackward, m});
    if ((m + 1) % config.accumulation == 0) {
      plain.push_back({ActionKind::kStep, m / config.accumulation});
    }
  }
  const VirtualRun run = RunVirtualPipeline(config, RandomCosts(*rc::gen::arbitrary<uint64_t>()));
  RC_ASSERT(ToString(run.stages[0].trace) == ToString(plain));
}

// Closed forms for equal stages with backward = 2 forwards and free links, in units of one
// micro-batch's work: with a flush, every update costs a + N - 1 (GPipe, section 2.3;
// PipeDream-2BW, section 2); without, only the first fill and the last drain are lost.
RC_GTEST_PROP(Schedule, TakesTheTimeOfItsClosedForm, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(!Splits(config));
  const bool waits_for_versions =
      config.weights == WeightPolicy::kDoubleBuffer && config.accumulation < config.stages - 1;
  RC_PRE(!waits_for_versions);
  config.milestones.eval_every = 0;
  config.milestones.checkpoint_every = 0;
  config.milestones.checkpoint_last = false;
  const bool flushes = config.boundary == UpdateBoundary::kFlush;
  const int64_t fills = flushes ? config.milestones.updates : 1;
  const VirtualRun run = RunVirtualPipeline(config, ConstantCosts());
  RC_ASSERT(run.end == 3 * (config.MicroBatches() + fills * (config.stages - 1)));
}

RC_GTEST_PROP(Schedule, DrainsToTheHoldAndGoesOnAfterIt, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  const int64_t hold_update = *rc::gen::inRange<int64_t>(0, config.milestones.updates);
  std::mt19937_64 random(seed);
  std::vector<std::unique_ptr<Schedule>> schedules;
  std::vector<StageState> states(config.stages);
  for (int64_t i = 0; i < config.stages; ++i) schedules.push_back(MakeSchedule(config, i));
  const auto run_until_quiet = [&] {
    for (bool moved = true; moved;) {
      moved = false;
      const int64_t first = random() % config.stages;
      for (int64_t k = 0; k < config.stages; ++k) {
        const int64_t i = (first + k) % config.stages;
        const Decision decision = schedules[i]->Next(states[i]);
        if (!decision.action) continue;
        moved = true;
        const ActionKind kind = decision.action->kind;
        schedules[i]->Finish(*decision.action, states[i]);
        const bool has_next = i + 1 < config.stages;
        if (kind == ActionKind::kForward && has_next) ++states[i + 1].activations;
        if (kind == ActionKind::kBackward && i > 0) ++states[i - 1].gradients;
        if (kind == ActionKind::kEvaluate && has_next) ++states[i + 1].evaluation_activations;
      }
    }
  };
  for (StageState& state : states) state.hold_at = hold_update * config.accumulation;
  run_until_quiet();
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(states[i].updates == hold_update);
    RC_ASSERT(states[i].InFlight() == 0);
    RC_ASSERT(schedules[i]->Next(states[i]).wait == Wait::kHold);
  }
  for (StageState& state : states) state.hold_at = kNoHold;
  run_until_quiet();
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(schedules[i]->Next(states[i]).wait == Wait::kFinished);
  }
}

TEST(Milestones, CountsTheLastUpdateOnceWhetherOrNotItIsAMultiple) {
  Milestones milestones;
  milestones.updates = 10;
  milestones.eval_every = 5;
  milestones.eval_batches = 2;
  EXPECT_EQ(milestones.EvaluationsDue(0), 2);
  EXPECT_EQ(milestones.EvaluationsDue(4), 2);
  EXPECT_EQ(milestones.EvaluationsDue(5), 4);
  EXPECT_EQ(milestones.EvaluationsDue(10), 6);
  milestones.updates = 11;
  EXPECT_EQ(milestones.EvaluationsDue(10), 6);
  EXPECT_EQ(milestones.EvaluationsDue(11), 8);
  EXPECT_EQ(milestones.UpdateOfEvaluation(7), 11);
}

TEST(Presets, AnUnknownNameIsAnsweredWithTheKnownOnes) {
  const absl::Status status = FindPreset("gpipes").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()),
              ::testing::StartsWith("no schedule is called \"gpipes\"; there are: paci, 1f1b, "));
}

TEST(Schedule, NamesTheRuleThatAStateBreaks) {
  ScheduleConfig config;
  config.stages = 2;
  const auto schedule = MakeSchedule(config, 1);
  StageState state;
  state.forwards = state.activations = 2;
  EXPECT_THAT(std::string(schedule->CheckInvariants(state).message()),
              ::testing::HasSubstr("in-flight <= 1"));
}

}  // namespace
}  // namespace paci
