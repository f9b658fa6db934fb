// How fast a whole pipeline is simulated: actions a second, by stages and micro-batches.
#include <benchmark/benchmark.h>

#include "common/schedule/presets.h"
#include "common/simulator/simulator.h"

namespace paci {
namespace {

void Simulates(benchmark::State& state, const char* preset, const LinkCosts& link,
               const Jitter& jitter) {
  ScheduleConfig config;
  config.stages = state.range(0);
  config.accumulation = 100;
  config.milestones.updates = state.range(1) / config.accumulation;
  ApplyPreset(*FindPreset(preset), config);
  SimulatedCosts costs = SimulatedCosts::Equal(
      config.stages,
      {.forward_seconds = 1, .backward_input_seconds = 1, .backward_weight_seconds = 1}, link);
  costs.jitter = jitter;
  for (auto _ : state) {
    const absl::StatusOr<Simulation> run = Simulate(config, costs);
    if (!run.ok()) return state.SkipWithError(std::string(run.status().message()).c_str());
    benchmark::DoNotOptimize(run->end_seconds);
  }
  const int64_t actions_of_update = 2 * config.accumulation + 1;
  state.SetItemsProcessed(state.iterations() * config.stages * config.milestones.updates *
                          actions_of_update);
}

const LinkCosts kFree;
const LinkCosts kSlow = {.latency_seconds = 0.1, .bytes_per_second = 1, .frame_bytes = 0.1};
const Jitter kNoJitter;
const Jitter kLognormal = {Jitter::Kind::kLognormal, 0.1, 1};

BENCHMARK_CAPTURE(Simulates, paci, "paci", kFree, kNoJitter)
    ->Args({10, 10'000})
    ->Args({100, 10'000})
    ->Args({1000, 1'000})
    ->Args({1000, 10'000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Simulates, paci_links_jitter, "paci", kSlow, kLognormal)
    ->Args({1000, 10'000})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Simulates, gpipe, "gpipe", kFree, kNoJitter)
    ->Args({1000, 10'000})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace paci
