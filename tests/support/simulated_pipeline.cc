#include "tests/support/simulated_pipeline.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace paci {

SimulatedCosts RandomCosts(const ScheduleConfig& config, uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto nanoseconds = [&](uint64_t below) {
    return static_cast<double>(random() % below) * 1e-9;
  };
  SimulatedCosts costs;
  for (int64_t i = 0; i < config.stages * config.chunks; ++i) {
    costs.stages.push_back({.forward_seconds = nanoseconds(20),
                            .backward_input_seconds = nanoseconds(20),
                            .backward_weight_seconds = nanoseconds(20),
                            .update_seconds = nanoseconds(20),
                            .evaluate_seconds = nanoseconds(20),
                            .checkpoint_seconds = nanoseconds(20),
                            .slowdown = random() % 4 == 0 ? 3.0 : 1.0});
    if (i == 0 || i >= config.stages) continue;
    costs.links.push_back({.latency_seconds = nanoseconds(50),
                           .bytes_per_second = 1e9,
                           .frame_bytes = static_cast<double>(random() % 10)});
  }
  const auto kind = random() % 2 == 0 ? Jitter::Kind::kNormal : Jitter::Kind::kLognormal;
  costs.jitter = {kind, static_cast<double>(random() % 3) / 2, random()};
  return costs;
}

Simulation SimulateOrFail(const ScheduleConfig& config, const SimulatedCosts& costs,
                          const SimulationOptions& options) {
  absl::StatusOr<Simulation> run = Simulate(config, costs, options);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.ok() ? *std::move(run)
                  : Simulation{.stages = std::vector<SimulatedStage>(config.stages)};
}

std::vector<Action> ActionsOf(const SimulatedStage& stage) {
  std::vector<Action> actions;
  for (const TimedAction& timed : stage.trace) actions.push_back(timed.action);
  return actions;
}

std::vector<int64_t> IndicesOf(const std::vector<Action>& trace, ActionKind kind) {
  std::vector<int64_t> indices;
  for (const Action& action : trace) {
    if (action.kind == kind) indices.push_back(action.index);
  }
  return indices;
}

std::vector<int64_t> VersionsOf(const SimulatedStage& stage, ActionKind kind) {
  std::vector<int64_t> versions;
  for (const TimedAction& timed : stage.trace) {
    if (timed.action.kind == kind) versions.push_back(timed.version);
  }
  return versions;
}

std::vector<int64_t> CountTo(int64_t count) {
  std::vector<int64_t> numbers(count);
  for (int64_t i = 0; i < count; ++i) numbers[i] = i;
  return numbers;
}

std::vector<Action> ActionsOfKind(const std::vector<Action>& trace, ActionKind kind) {
  std::vector<Action> actions;
  for (const Action& action : trace) {
    if (action.kind == kind) actions.push_back(action);
  }
  return actions;
}

std::vector<Action> ExpectedPasses(const ScheduleConfig& config, ActionKind kind, int64_t count,
                                   int64_t round) {
  std::vector<Action> passes;
  for (int64_t first = 0; first < count; first += round) {
    for (int64_t group = first; group < first + round; group += config.stages) {
      const int64_t end = std::min(group + config.stages, first + round);
      for (int64_t k = 0; k < config.chunks; ++k) {
        const int64_t chunk = kind == ActionKind::kBackward ? config.chunks - 1 - k : k;
        for (int64_t m = group; m < end; ++m) passes.push_back({kind, m, chunk});
      }
    }
  }
  return passes;
}

}  // namespace paci
