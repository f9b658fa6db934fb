// What holds of every simulated run, whatever the schedule and the costs.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/random_preset.h"
#include "tests/support/simulated_pipeline.h"

namespace paci {
namespace {

ScheduleConfig RandomConfig() {
  ScheduleConfig config;
  config.stages = *rc::gen::inRange<int64_t>(1, 10);
  config.accumulation = *rc::gen::inRange<int64_t>(1, 12);
  config.order = *rc::gen::element(Order::kDrainFirst, Order::kStrict);
  config.extra_in_flight = *rc::gen::inRange<int64_t>(0, 3);
  config.milestones.updates = *rc::gen::inRange<int64_t>(1, 8);
  config.milestones.eval_every = *rc::gen::inRange<int64_t>(0, 3);
  config.milestones.eval_batches = 2;
  ApplyRandomPreset(config);
  return config;
}

bool IsClose(double a, double b) { return std::abs(a - b) < 1e-12; }

RC_GTEST_PROP(Simulator, AccountsForEveryNanosecondOfAStage, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  const Simulation run = SimulateOrFail(config, RandomCosts(config, seed));
  double busy = 0;
  for (const SimulatedStage& stage : run.stages) {
    RC_ASSERT(stage.idle_seconds >= 0);
    RC_ASSERT(IsClose(stage.BusySeconds() + stage.idle_seconds, run.end_seconds));
    double traced = 0;
    double last_end = 0;
    for (const TimedAction& timed : stage.trace) {
      RC_ASSERT(timed.start_seconds >= last_end);
      RC_ASSERT(timed.end_seconds >= timed.start_seconds);
      traced += timed.end_seconds - timed.start_seconds;
      last_end = timed.end_seconds;
    }
    RC_ASSERT(last_end <= run.end_seconds);
    RC_ASSERT(IsClose(traced, stage.BusySeconds()));
    busy += stage.BusySeconds();
  }
  RC_ASSERT(run.bubble_share >= 0 && run.bubble_share <= 1);
  if (run.end_seconds > 0) {
    const double span = static_cast<double>(config.stages) * run.end_seconds;
    RC_ASSERT(std::abs(run.bubble_share - (1 - busy / span)) < 1e-9);
  }
}

RC_GTEST_PROP(Simulator, IsNotFasterThanTheWayOfOneMicroBatch, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  SimulatedCosts costs = RandomCosts(config, seed);
  costs.jitter = {};
  double way = 0;
  const bool splits = MakeSchedule(config, 0)->SplitsBackward();
  for (const StageCosts& stage : costs.stages) {
    way += stage.slowdown * (stage.forward_seconds + stage.backward_input_seconds +
                             (splits ? 0 : stage.backward_weight_seconds));
  }
  for (const LinkCosts& link : costs.links) {
    way += 2 * (link.latency_seconds + link.TransmissionSeconds());
  }
  RC_ASSERT(SimulateOrFail(config, costs).end_seconds >= way - 1e-12);
}

RC_GTEST_PROP(Simulator, OrdersItsUpdates, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  const Simulation run = SimulateOrFail(config, RandomCosts(config, seed));
  RC_ASSERT(static_cast<int64_t>(run.update_seconds.size()) == config.milestones.updates);
  RC_ASSERT(run.last_stage_update_seconds.size() == run.update_seconds.size());
  RC_ASSERT(std::is_sorted(run.update_seconds.begin(), run.update_seconds.end()));
  for (size_t k = 0; k < run.update_seconds.size(); ++k) {
    RC_ASSERT(run.last_stage_update_seconds[k] <= run.update_seconds[k]);
  }
  RC_ASSERT(run.update_seconds.back() <= run.end_seconds);
}

std::vector<double> TimesOf(const SimulatedStage& stage, ActionKind kind,
                            double TimedAction::*member) {
  std::vector<double> times;
  for (const TimedAction& timed : stage.trace) {
    if (timed.action.kind == kind) times.push_back(timed.*member);
  }
  return times;
}

// A frame is seen when it and all that were sent before it have arrived.
RC_GTEST_PROP(Simulator, FramesTakeTheirTimeAndDoNotOvertakeEachOther, (uint64_t seed)) {
  ScheduleConfig config = RandomConfig();
  config.milestones.eval_every = 0;
  const SimulatedCosts costs = RandomCosts(config, seed);
  const Simulation run = SimulateOrFail(config, costs);
  const auto check = [&](int64_t from, int64_t to, ActionKind kind) {
    const auto sent = TimesOf(run.stages[from], kind, &TimedAction::end_seconds);
    const auto used = TimesOf(run.stages[to], kind, &TimedAction::start_seconds);
    const LinkCosts& link = costs.links[std::min(from, to)];
    double arrived = 0;
    for (size_t m = 0; m < sent.size(); ++m) {
      const double latency =
          link.latency_seconds * costs.jitter.OfFrame(from, to, static_cast<int64_t>(m));
      arrived = std::max(arrived, sent[m] + link.TransmissionSeconds() + latency);
      RC_ASSERT(used[m] >= arrived - 1.5e-9);  // each is rounded to nanoseconds
    }
  };
  for (int64_t i = 1; i < config.stages; ++i) {
    check(i - 1, i, ActionKind::kForward);
    check(i, i - 1, ActionKind::kBackward);
  }
}

std::string Text(const Simulation& run) {
  std::string text;
  for (const SimulatedStage& stage : run.stages) {
    for (const TimedAction& timed : stage.trace) {
      text +=
          ToString(timed.action) + "@" + std::to_string(std::llround(timed.start_seconds * 1e9));
    }
  }
  return text;
}

RC_GTEST_PROP(Simulator, ASeedDecidesEveryTime, (uint64_t seed)) {
  const ScheduleConfig config = RandomConfig();
  SimulatedCosts costs = RandomCosts(config, seed);
  const std::string once = Text(SimulateOrFail(config, costs));
  RC_ASSERT(Text(SimulateOrFail(config, costs)) == once);
  costs.stages.assign(costs.stages.size(), {.forward_seconds = 1, .backward_input_seconds = 1});
  costs.jitter = {Jitter::Kind::kLognormal, 0.1, seed};
  const std::string one = Text(SimulateOrFail(config, costs));
  costs.jitter.seed = seed + 1;
  RC_ASSERT(Text(SimulateOrFail(config, costs)) != one);
}

TEST(Jitter, HasTheMeanAndTheDeviationThatItSays) {
  constexpr int kDraws = 100'000;
  for (const auto kind : {Jitter::Kind::kNormal, Jitter::Kind::kLognormal}) {
    const Jitter jitter{kind, 0.2, 7};
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < kDraws; ++i) {
      const double factor = jitter.OfAction(3, {ActionKind::kForward, i});
      EXPECT_GE(factor, 0);
      sum += factor;
      squares += factor * factor;
    }
    const double mean = sum / kDraws;
    EXPECT_NEAR(mean, 1, 0.003);
    EXPECT_NEAR(std::sqrt(squares / kDraws - mean * mean), 0.2, 0.003);
  }
}

}  // namespace
}  // namespace paci
