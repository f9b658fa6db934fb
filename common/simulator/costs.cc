#include "common/simulator/costs.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/random/mix.h"

namespace paci {
namespace {

constexpr double kMaxRunSeconds = 1e9;  // a ninth of what 63 bits of nanoseconds count

// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
uint64_t Next(uint64_t x) { return CombineKeys(x, 0); }

// In (0, 1].
double Uniform(uint64_t bits) { return (static_cast<double>(bits >> 11) + 1) * 0x1p-53; }

absl::Status CheckSeconds(absl::string_view place, int64_t index, absl::string_view name,
                          double seconds) {
  if (std::isfinite(seconds) && seconds >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(place, " ", index, ": ", name, " is ", seconds,
                                                 "; expected a finite number >= 0"));
}

absl::Status CheckStage(int64_t index, const StageCosts& stage) {
  absl::Status status = CheckSeconds("stage", index, "forward_seconds", stage.forward_seconds);
  status.Update(
      CheckSeconds("stage", index, "backward_input_seconds", stage.backward_input_seconds));
  status.Update(
      CheckSeconds("stage", index, "backward_weight_seconds", stage.backward_weight_seconds));
  status.Update(CheckSeconds("stage", index, "update_seconds", stage.update_seconds));
  status.Update(CheckSeconds("stage", index, "evaluate_seconds", stage.evaluate_seconds));
  status.Update(CheckSeconds("stage", index, "checkpoint_seconds", stage.checkpoint_seconds));
  if (!std::isfinite(stage.slowdown) || stage.slowdown <= 0) {
    status.Update(absl::InvalidArgumentError(absl::StrCat(
        "stage ", index, ": slowdown is ", stage.slowdown, "; expected a finite number > 0")));
  }
  return status;
}

absl::Status CheckLink(int64_t index, const LinkCosts& link) {
  absl::Status status = CheckSeconds("link", index, "latency_seconds", link.latency_seconds);
  status.Update(CheckSeconds("link", index, "frame_bytes", link.frame_bytes));
  if (!(link.bytes_per_second > 0)) {
    status.Update(
        absl::InvalidArgumentError(absl::StrCat("link ", index, ": bytes_per_second is ",
                                                link.bytes_per_second, "; expected a number > 0")));
  }
  return status;
}

absl::Status CheckShape(const ScheduleConfig& config, const SimulatedCosts& costs) {
  if (config.stages < 1 || config.accumulation < 1 || config.milestones.updates < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("a run of ", config.stages, " stages, accumulation ", config.accumulation,
                     ", ", config.milestones.updates, " updates; expected at least 1 of each"));
  }
  const auto stages = static_cast<size_t>(config.stages);
  if (costs.stages.size() != stages * static_cast<size_t>(config.chunks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("costs of ", costs.stages.size(), " stages for a pipeline of ", stages,
                     config.chunks > 1 ? absl::StrCat(" with ", config.chunks, " chunks") : ""));
  }
  if (!costs.links.empty() && costs.links.size() != stages - 1) {
    return absl::InvalidArgumentError(absl::StrCat("costs of ", costs.links.size(), " links for ",
                                                   stages, " stages; expected ", stages - 1,
                                                   " or none"));
  }
  const double deviation = costs.jitter.relative_deviation;
  if (!(deviation >= 0 && deviation <= Jitter::kMaxRelativeDeviation)) {
    return absl::InvalidArgumentError(absl::StrCat("jitter: relative_deviation is ", deviation,
                                                   "; expected a number in [0, ",
                                                   Jitter::kMaxRelativeDeviation, "]"));
  }
  return absl::OkStatus();
}

// One micro-batch after the other on the slowest stage, and a fill and a drain for every update.
double MostSeconds(const ScheduleConfig& config, const SimulatedCosts& costs) {
  double stage_seconds = 0;
  double link_seconds = 0;
  for (const StageCosts& stage : costs.stages) {
    const double seconds = stage.SecondsOfMicroBatch(1) +
                           stage.slowdown * (stage.evaluate_seconds + stage.checkpoint_seconds);
    stage_seconds = std::max(stage_seconds, seconds);
  }
  for (const LinkCosts& link : costs.links) {
    link_seconds = std::max(link_seconds, link.latency_seconds + link.TransmissionSeconds());
  }
  const double rounds =
      static_cast<double>(config.Passes()) +
      static_cast<double>(config.milestones.updates) * static_cast<double>(config.stages);
  return rounds * (stage_seconds + 2 * link_seconds);
}

}  // namespace

double StageCosts::SecondsOfMicroBatch(int64_t accumulation) const {
  return slowdown * (forward_seconds + backward_input_seconds + backward_weight_seconds +
                     update_seconds / static_cast<double>(accumulation));
}

double Jitter::OfAction(int64_t stage, Action action) const {
  return Factor(stage, static_cast<uint64_t>(action.kind), action.index + (action.chunk << 48));
}

double Jitter::OfFrame(int64_t from, int64_t to, int64_t frame) const {
  return Factor(from, from < to ? 0 : 1, frame);
}

double Jitter::Factor(uint64_t place, uint64_t sort, uint64_t index) const {
  if (kind == Kind::kNone || relative_deviation == 0) return 1;
  const uint64_t key = Next(Next(Next(seed + place) + sort) + index);
  const double radius = std::sqrt(-2 * std::log(Uniform(key)));
  const double z = radius * std::cos(2 * std::numbers::pi * Uniform(Next(key)));
  if (kind == Kind::kNormal) return std::max(0.0, 1 + relative_deviation * z);
  const double variance = std::log1p(relative_deviation * relative_deviation);
  return std::exp(std::sqrt(variance) * z - variance / 2);
}

SimulatedCosts SimulatedCosts::Equal(int64_t stages, const StageCosts& stage,
                                     const LinkCosts& link) {
  return {std::vector<StageCosts>(stages, stage), std::vector<LinkCosts>(stages - 1, link), {}};
}

absl::Status CheckCosts(const ScheduleConfig& config, const SimulatedCosts& costs) {
  absl::Status status = CheckShape(config, costs);
  for (size_t i = 0; i < costs.stages.size() && status.ok(); ++i) {
    status = CheckStage(static_cast<int64_t>(i), costs.stages[i]);
  }
  for (size_t i = 0; i < costs.links.size() && status.ok(); ++i) {
    status = CheckLink(static_cast<int64_t>(i), costs.links[i]);
  }
  if (!status.ok()) return status;
  const double seconds = MostSeconds(config, costs);
  if (seconds <= kMaxRunSeconds) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("the run could take ", seconds, " seconds; expected at most ", kMaxRunSeconds));
}

}  // namespace paci
