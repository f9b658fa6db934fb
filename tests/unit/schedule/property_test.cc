// What every schedule promises, on random pipelines with random timing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/random_preset.h"
#include "tests/support/simulated_pipeline.h"

namespace paci {
namespace {

// A forward takes 1, a backward 2, everything else nothing.
SimulatedCosts EqualCosts(const ScheduleConfig& config) {
  SimulatedCosts costs;
  costs.stages.assign(
      config.stages * config.chunks,
      {.forward_seconds = 1, .backward_input_seconds = 1, .backward_weight_seconds = 1});
  return costs;
}

Simulation RandomRun(const ScheduleConfig& config) {
  return SimulateOrFail(config, RandomCosts(config, *rc::gen::arbitrary<uint64_t>()));
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
  config.milestones.checkpoints_drain = *rc::gen::arbitrary<bool>();
  ApplyRandomPreset(config);
  return config;
}

bool Splits(const ScheduleConfig& config) {
  return config.order == Order::kSplit1 || config.order == Order::kSplit2;
}

// As their papers have them; p: the activation budget of a zero-bubble schedule.
int64_t InFlightCapOf(const ScheduleConfig& config, int64_t i) {
  const int64_t p = config.order == Order::kSplit2 ? 2 : 1;
  if (config.order == Order::kFillDrain) return config.accumulation;
  if (config.order == Order::kInterleaved) {
    return (config.stages - i - 1) * 2 + (config.chunks - 1) * config.stages + 1;
  }
  if (Splits(config)) return p * (config.stages - i) - (p - 1);
  return i == config.stages - 1 ? 1 : config.stages - i + config.extra_in_flight;
}
int64_t HeldCapOf(const ScheduleConfig& config, int64_t i) {
  const int64_t p = config.order == Order::kSplit2 ? 2 : 1;
  return Splits(config) ? p * config.stages - (p - 1) : InFlightCapOf(config, i);
}
int64_t LagBoundOf(const ScheduleConfig& config, int64_t i) {
  if (config.boundary == UpdateBoundary::kFlush) return 0;
  if (config.flush_first + config.flush_last == config.milestones.updates) return 0;
  if (config.weights == WeightPolicy::kDoubleBuffer) return 1;
  const int64_t a = config.accumulation;
  return (InFlightCapOf(config, i) - 1 + a - 1) / a;
}

bool FlushesBefore(const ScheduleConfig& config, int64_t update) {
  return config.boundary == UpdateBoundary::kFlush || update < config.flush_first ||
         update >= config.milestones.updates - config.flush_last;
}

RC_GTEST_PROP(Schedule, FinishesWithEveryMicroBatchOnceAndInOrder, ()) {
  const ScheduleConfig config = RandomConfig();
  const Simulation run = RandomRun(config);
  const int64_t updates = config.milestones.updates;
  for (const SimulatedStage& stage : run.stages) {
    const std::vector<Action> trace = ActionsOf(stage);
    for (const ActionKind kind : {ActionKind::kForward, ActionKind::kBackward}) {
      RC_ASSERT(ActionsOfKind(trace, kind) ==
                ExpectedPasses(config, kind, config.MicroBatches(), config.accumulation));
    }
    RC_ASSERT(IndicesOf(trace, ActionKind::kWeights) ==
              CountTo(Splits(config) ? config.MicroBatches() : 0));
    RC_ASSERT(IndicesOf(trace, ActionKind::kStep) == CountTo(updates));
    RC_ASSERT(ActionsOfKind(trace, ActionKind::kEvaluate) ==
              ExpectedPasses(config, ActionKind::kEvaluate,
                             config.milestones.EvaluationsDue(updates),
                             config.milestones.eval_batches));
    RC_ASSERT(IndicesOf(trace, ActionKind::kCheckpoint) ==
              CountTo(config.milestones.CheckpointsDue(updates)));
  }
}

RC_GTEST_PROP(Schedule, KeepsInFlightAndLagBelowTheirBounds, ()) {
  const ScheduleConfig config = RandomConfig();
  const Simulation run = RandomRun(config);
  for (int64_t i = 0; i < config.stages; ++i) {
    const SimulatedStage& stage = run.stages[i];
    const auto schedule = MakeSchedule(config, i);
    RC_ASSERT(schedule->InFlightCap() == InFlightCapOf(config, i));
    RC_ASSERT(schedule->ActivationCap() == HeldCapOf(config, i));
    RC_ASSERT(schedule->LagBound() == LagBoundOf(config, i));
    RC_ASSERT(stage.max_in_flight <= InFlightCapOf(config, i));
    RC_ASSERT(stage.max_held <= HeldCapOf(config, i));
    RC_ASSERT(stage.lag.max <= LagBoundOf(config, i));
  }
}

// Which weights each pass uses, against the definition of each policy.
RC_GTEST_PROP(Schedule, UsesTheVersionsOfItsWeightPolicy, ()) {
  const ScheduleConfig config = RandomConfig();
  RC_PRE(config.chunks == 1);
  const Simulation run = RandomRun(config);
  for (const SimulatedStage& stage : run.stages) {
    const std::vector<int64_t> forward_versions = VersionsOf(stage, ActionKind::kForward);
    const std::vector<int64_t> backward_versions = VersionsOf(stage, ActionKind::kBackward);
    for (int64_t m = 0; m < config.MicroBatches(); ++m) {
      const int64_t own_update = m / config.accumulation;
      const int64_t forward = forward_versions[m], backward = backward_versions[m];
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
      if (FlushesBefore(config, own_update)) RC_ASSERT(forward == own_update);
    }
  }
}

// By count, in the order that does not depend on timing, once as many updates lag as can.
RC_GTEST_PROP(Schedule, SaysTheMeanLagOfAnUpdate, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(config.chunks == 1 && !Splits(config) && config.order != Order::kFillDrain);
  config.order = Order::kStrict;
  config.milestones.updates = *rc::gen::inRange<int64_t>(1, 16);
  config.flush_last = std::min(config.flush_last, config.milestones.updates);
  config.milestones.eval_every = config.milestones.checkpoint_every = 0;
  config.milestones.checkpoint_last = false;
  const Simulation run = RandomRun(config);
  for (int64_t i = 0; i < config.stages; ++i) {
    const auto schedule = MakeSchedule(config, i);
    const std::vector<int64_t> versions = VersionsOf(run.stages[i], ActionKind::kForward);
    for (int64_t u = 0; u < config.milestones.updates; ++u) {
      const int64_t since_flush = u - std::max<int64_t>(config.flush_first - 1, 0);
      double sum = 0;
      for (int64_t m = u * config.accumulation; m < (u + 1) * config.accumulation; ++m) {
        sum += static_cast<double>(u - versions[m]);
      }
      const double mean = sum / static_cast<double>(config.accumulation);
      RC_ASSERT(mean <= schedule->MeanLag(u) + 1e-9);
      if (FlushesBefore(config, u) || since_flush >= schedule->LagBound()) {
        RC_ASSERT(std::abs(mean - schedule->MeanLag(u)) < 1e-9);
      }
    }
  }
}

RC_GTEST_PROP(Schedule, ValidatesEveryStageAtTheWeightsOfTheSameUpdate, ()) {
  ScheduleConfig config = RandomConfig();
  config.milestones.eval_every = *rc::gen::inRange<int64_t>(1, 4);
  const Simulation run = RandomRun(config);
  for (const SimulatedStage& stage : run.stages) {
    const std::vector<int64_t> seen = VersionsOf(stage, ActionKind::kEvaluate);
    for (size_t k = 0; k < seen.size(); ++k) {
      const auto index = static_cast<int64_t>(k) / config.chunks;
      RC_ASSERT(seen[k] == config.milestones.UpdateOfEvaluation(index));
    }
    RC_ASSERT(seen.front() == 0);
    RC_ASSERT(seen.back() == config.milestones.updates);
  }
}

RC_GTEST_PROP(Schedule, StrictOrderDoesNotDependOnTiming, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(!Splits(config));
  if (config.order == Order::kDrainFirst) config.order = Order::kStrict;
  const Simulation one = RandomRun(config);
  const Simulation two = RandomRun(config);
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(ToString(ActionsOf(one.stages[i])) == ToString(ActionsOf(two.stages[i])));
  }
}

RC_GTEST_PROP(Schedule, OneStageIsPlainGradientAccumulation, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(config.order == Order::kDrainFirst || config.order == Order::kStrict);
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
  const Simulation run = RandomRun(config);
  RC_ASSERT(ToString(ActionsOf(run.stages[0])) == ToString(plain));
}

// Closed forms for equal stages with backward = 2 forwards and free links, in units of one pass's
// work: with a flush, every update costs v a + N - 1 (GPipe, section 2.3; PipeDream-2BW, section 2;
// Megatron-LM, SC 2021, section 2.2.2); without, only the first fill and the last drain are lost.
RC_GTEST_PROP(Schedule, TakesTheTimeOfItsClosedForm, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(!Splits(config));
  const bool waits_for_versions = config.weights == WeightPolicy::kDoubleBuffer &&
                                  config.accumulation < config.stages - 1 + config.extra_in_flight;
  RC_PRE(!waits_for_versions);
  config.milestones.eval_every = 0;
  config.milestones.checkpoint_every = 0;
  config.milestones.checkpoint_last = false;
  int64_t fills = 1;
  for (int64_t u = 1; u < config.milestones.updates; ++u) fills += FlushesBefore(config, u) ? 1 : 0;
  const Simulation run = SimulateOrFail(config, EqualCosts(config));
  RC_ASSERT(run.end_seconds ==
            static_cast<double>(3 * (config.Passes() + fills * (config.stages - 1))));
}

// What a run does after a checkpoint, a run that begins with that checkpoint does.
RC_GTEST_PROP(Schedule, GoesOnFromACheckpointAsIfNothingHadBeen, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(!Splits(config));
  if (config.order == Order::kDrainFirst) config.order = Order::kStrict;
  config.milestones.updates = *rc::gen::inRange<int64_t>(2, 8);
  config.milestones.checkpoint_every = *rc::gen::inRange<int64_t>(1, config.milestones.updates);
  config.milestones.checkpoints_drain = true;
  const Simulation whole = RandomRun(config);
  const int64_t checkpoints = (config.milestones.updates - 1) / config.milestones.checkpoint_every;
  const int64_t last = *rc::gen::inRange<int64_t>(0, checkpoints);
  config.first_update = (last + 1) * config.milestones.checkpoint_every;
  const Simulation rest = RandomRun(config);
  for (int64_t i = 0; i < config.stages; ++i) {
    std::vector<Action> expected = ActionsOf(whole.stages[i]);
    const auto cut =
        std::find(expected.begin(), expected.end(), Action{ActionKind::kCheckpoint, last});
    expected.erase(expected.begin(), cut + 1);
    RC_ASSERT(ToString(ActionsOf(rest.stages[i])) == ToString(expected));
  }
}

// What a stage does apart from its checkpoints.
std::vector<Action> WithoutCheckpoints(const SimulatedStage& stage) {
  std::vector<Action> actions = ActionsOf(stage);
  std::erase_if(actions, [](const Action& a) { return a.kind == ActionKind::kCheckpoint; });
  return actions;
}

RC_GTEST_PROP(Schedule, TakesARunningCheckpointRightAfterItsUpdateAndDrainsNothing, ()) {
  ScheduleConfig config = RandomConfig();
  config.milestones.checkpoint_last = true;
  config.milestones.checkpoints_drain = false;
  // Copies take no time here, so that they change no arrival.
  SimulatedCosts costs = RandomCosts(config, *rc::gen::arbitrary<uint64_t>());
  costs.jitter = {};
  for (StageCosts& stage : costs.stages) stage.checkpoint_seconds = 0;
  const Simulation run = SimulateOrFail(config, costs);
  ScheduleConfig none = config;
  none.milestones.checkpoint_every = 0;
  none.milestones.checkpoint_last = false;
  const Simulation without = SimulateOrFail(none, costs);
  RC_ASSERT(run.end_seconds == without.end_seconds);
  const int64_t every = config.milestones.checkpoint_every;
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(ToString(WithoutCheckpoints(run.stages[i])) ==
              ToString(ActionsOf(without.stages[i])));
    int64_t checkpoints = 0;
    int64_t steps = 0;
    for (const Action& action : ActionsOf(run.stages[i])) {
      if (action.kind == ActionKind::kStep) ++steps;
      if (action.kind == ActionKind::kCheckpoint) ++checkpoints;
      const bool trains = action.kind != ActionKind::kStep &&
                          action.kind != ActionKind::kCheckpoint &&
                          action.kind != ActionKind::kEvaluate;
      // Nothing of a later update has touched the weights or the gradients.
      if (trains) RC_ASSERT(checkpoints == config.milestones.CheckpointsDue(steps));
      if (action.kind == ActionKind::kCheckpoint) {
        RC_ASSERT(steps == std::min(every == 0 ? config.milestones.updates : checkpoints * every,
                                    config.milestones.updates));
      }
    }
  }
}

RC_GTEST_PROP(Schedule, WithAFlushACheckpointIsTheSameDrainedOrRunning, ()) {
  ScheduleConfig config = RandomConfig();
  RC_PRE(config.boundary == UpdateBoundary::kFlush);
  const SimulatedCosts costs = RandomCosts(config, *rc::gen::arbitrary<uint64_t>());
  config.milestones.checkpoints_drain = true;
  const Simulation drained = SimulateOrFail(config, costs);
  config.milestones.checkpoints_drain = false;
  const Simulation running = SimulateOrFail(config, costs);
  for (int64_t i = 0; i < config.stages; ++i) {
    RC_ASSERT(ToString(ActionsOf(drained.stages[i])) == ToString(ActionsOf(running.stages[i])));
  }
}

// From a running checkpoint each stage does every later micro-batch once, as after a drain.
RC_GTEST_PROP(Schedule, GoesOnFromARunningCheckpointWithEveryLaterMicroBatchOnce, ()) {
  ScheduleConfig config = RandomConfig();
  config.milestones.updates = *rc::gen::inRange<int64_t>(2, 8);
  config.milestones.checkpoint_every = *rc::gen::inRange<int64_t>(1, config.milestones.updates);
  config.milestones.checkpoints_drain = false;
  config.first_update = config.milestones.checkpoint_every;
  const Simulation rest = RandomRun(config);
  const int64_t first = config.first_update * config.accumulation;
  for (const SimulatedStage& stage : rest.stages) {
    for (const ActionKind kind : {ActionKind::kForward, ActionKind::kBackward}) {
      std::vector<Action> expected =
          ExpectedPasses(config, kind, config.MicroBatches(), config.accumulation);
      std::erase_if(expected, [&](const Action& a) { return a.index < first; });
      RC_ASSERT(ActionsOfKind(ActionsOf(stage), kind) == expected);
    }
  }
}

RC_GTEST_PROP(Schedule, DrainsToTheHoldAndGoesOnAfterIt, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  const int64_t update = *rc::gen::inRange<int64_t>(0, config.milestones.updates);
  const Simulation run = SimulateOrFail(config, RandomCosts(config, seed),
                                        {.keeps_trace = true, .pause_at_update = update});
  double drained = 0;
  double goes_on = run.end_seconds;
  for (const SimulatedStage& stage : run.stages) {
    RC_ASSERT(IndicesOf(ActionsOf(stage), ActionKind::kStep) == CountTo(config.milestones.updates));
    for (const TimedAction& timed : stage.trace) {
      const bool is_step = timed.action.kind == ActionKind::kStep;
      if (is_step && timed.action.index < update) drained = std::max(drained, timed.end_seconds);
      const bool is_forward = timed.action.kind == ActionKind::kForward;
      if (is_forward && timed.action.index >= update * config.accumulation) {
        goes_on = std::min(goes_on, timed.start_seconds);
      }
    }
  }
  RC_ASSERT(drained <= goes_on);
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
