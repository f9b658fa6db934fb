#include "common/partition/partition.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "common/config/model_chunks.h"

namespace paci {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Sums that differ by less, relatively, are equal: the same units give slightly different sums at
// different places.
constexpr double kTolerance = 1e-9;

// The times of ranges of units on stages.
class Times {
 public:
  Times(absl::Span<const double> unit_costs, absl::Span<const double> stage_speeds)
      : speeds_(stage_speeds.begin(), stage_speeds.end()), sums_(1, 0.0) {
    for (const double cost : unit_costs) sums_.push_back(sums_.back() + cost);
  }

  int units() const { return static_cast<int>(sums_.size()) - 1; }
  int stages() const { return static_cast<int>(speeds_.size()); }
  double Of(int stage, int first_unit, int end_unit) const {
    return (sums_[end_unit] - sums_[first_unit]) / speeds_[stage];
  }

 private:
  std::vector<double> speeds_;
  std::vector<double> sums_;  // of the costs of the units before
};

bool IsLess(double a, double b) { return a < b * (1 - kTolerance); }

// Minimises, from the last stage to the first, what `combine(time of a stage, best of the stages
// after it)` gives: best[s][u] is of the stages s.. that hold the units u.. . Of equal ends of a
// stage the earliest is taken.
template <typename Combine>
class Search {
 public:
  Search(const Times& times, Combine combine)
      : times_(times),
        combine_(combine),
        best_(times.stages() + 1, std::vector<double>(times.units() + 1, kInfinity)),
        end_(times.stages(), std::vector<int>(times.units() + 1, 0)) {
    best_[times.stages()][times.units()] = 0;
    for (int stage = times.stages() - 1; stage >= 0; --stage) {
      // Each stage before has a unit, and so has each from here on.
      const int last_first = times.units() - (times.stages() - stage);
      for (int first = stage; first <= last_first; ++first) Solve(stage, first);
    }
  }

  double Best() const { return best_[0][0]; }

  std::vector<int> Bounds() const {
    std::vector<int> bounds = {0};
    for (int stage = 0; stage < times_.stages(); ++stage) {
      bounds.push_back(end_[stage][bounds.back()]);
    }
    return bounds;
  }

 private:
  void Solve(int stage, int first) {
    const int last_end = times_.units() - (times_.stages() - stage - 1);
    double& best = best_[stage][first];
    for (int end = first + 1; end <= last_end; ++end) {
      const double value = combine_(times_.Of(stage, first, end), best_[stage + 1][end]);
      if (value == kInfinity || !(best == kInfinity || IsLess(value, best))) continue;
      best = value;
      end_[stage][first] = end;
    }
  }

  const Times& times_;
  const Combine combine_;
  std::vector<std::vector<double>> best_;
  std::vector<std::vector<int>> end_;
};

absl::Status CheckInputs(absl::Span<const double> unit_costs,
                         absl::Span<const double> stage_speeds) {
  double sum = 0;
  for (size_t i = 0; i < unit_costs.size(); ++i) {
    if (!std::isfinite(unit_costs[i]) || unit_costs[i] < 0) {
      return absl::InvalidArgumentError(absl::StrCat("unit ", i, " costs ", unit_costs[i],
                                                     "; expected a finite cost of at least 0"));
    }
    sum += unit_costs[i];
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    return absl::InvalidArgumentError(absl::StrCat("the ", unit_costs.size(), " units cost ", sum,
                                                   " in all; expected a finite sum above 0"));
  }
  for (size_t i = 0; i < stage_speeds.size(); ++i) {
    if (!std::isfinite(stage_speeds[i]) || stage_speeds[i] <= 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "stage ", i, " has the speed ", stage_speeds[i], "; expected a finite speed above 0"));
    }
  }
  if (stage_speeds.empty() || stage_speeds.size() > unit_costs.size()) {
    return absl::InvalidArgumentError(absl::StrCat(stage_speeds.size(), " stages for ",
                                                   unit_costs.size(),
                                                   " units; expected 1 to as many as units"));
  }
  return absl::OkStatus();
}

// "the embedding, blocks 1-4 and the head", of the units first..end-1 of `units`.
std::string Describe(int first, int end, int units) {
  const int head = units - 1;
  std::vector<std::string> parts;
  if (first == 0) parts.push_back("the embedding");
  const int first_block = std::max(first, 1);
  const int last_block = std::min(end, head) - 1;
  if (first_block == last_block) parts.push_back(absl::StrCat("block ", first_block));
  if (first_block < last_block)
    parts.push_back(absl::StrCat("blocks ", first_block, "-", last_block));
  if (end > head && head > 0) parts.push_back("the head");
  if (parts.size() < 2) return absl::StrJoin(parts, "");
  const std::string last = parts.back();
  parts.pop_back();
  return absl::StrCat(absl::StrJoin(parts, ", "), " and ", last);
}

Partition Explained(const Times& times, std::vector<int> bounds) {
  double sum = 0;
  double slowest_time = -1;
  int slowest = 0;
  for (int stage = 0; stage < times.stages(); ++stage) {
    const double time = times.Of(stage, bounds[stage], bounds[stage + 1]);
    sum += time;
    if (stage == 0 || IsLess(slowest_time, time)) {
      slowest_time = time;
      slowest = stage;
    }
  }
  const double mean = sum / times.stages();
  Partition partition;
  partition.balance = std::min(mean / slowest_time, 1.0);
  partition.reason = absl::StrFormat("stage %d is the slowest with %.2f of the mean: %s", slowest,
                                     slowest_time / mean,
                                     Describe(bounds[slowest], bounds[slowest + 1], times.units()));
  partition.bounds = std::move(bounds);
  return partition;
}

}  // namespace

absl::StatusOr<Partition> BalancedPartition(absl::Span<const double> unit_costs,
                                            absl::Span<const double> stage_speeds) {
  const absl::Status status = CheckInputs(unit_costs, stage_speeds);
  if (!status.ok()) return status;
  const Times times(unit_costs, stage_speeds);
  const Search slowest(times, [](double time, double rest) { return std::max(time, rest); });
  const double limit = slowest.Best() * (1 + kTolerance);
  const Search balanced(times, [limit](double time, double rest) {
    return time > limit ? kInfinity : time * time + rest;
  });
  return Explained(times, balanced.Bounds());
}

absl::StatusOr<Partition> ExplicitPartition(absl::Span<const int> units_per_stage,
                                            absl::Span<const double> unit_costs,
                                            absl::Span<const double> stage_speeds) {
  const absl::Status status = CheckInputs(unit_costs, stage_speeds);
  if (!status.ok()) return status;
  const bool has_empty = std::any_of(units_per_stage.begin(), units_per_stage.end(),
                                     [](int units) { return units < 1; });
  const int64_t sum = std::accumulate(units_per_stage.begin(), units_per_stage.end(), int64_t{0});
  if (has_empty || units_per_stage.size() != stage_speeds.size() ||
      sum != static_cast<int64_t>(unit_costs.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("the partition [", absl::StrJoin(units_per_stage, ", "), "] is none of ",
                     unit_costs.size(), " units over ", stage_speeds.size(),
                     " stages; expected an entry of at least 1 a stage, adding up to the units"));
  }
  std::vector<int> bounds = {0};
  for (const int units : units_per_stage) bounds.push_back(bounds.back() + units);
  return Explained(Times(unit_costs, stage_speeds), std::move(bounds));
}

absl::StatusOr<Partition> PartitionOf(const v1::JobSpec& spec, absl::Span<const double> unit_costs,
                                      absl::Span<const double> stage_speeds) {
  const size_t chunks = ModelChunks(spec.pipeline());
  std::vector<double> part_speeds;
  for (size_t c = 0; c < chunks; ++c) {
    part_speeds.insert(part_speeds.end(), stage_speeds.begin(), stage_speeds.end());
  }
  const auto& given = spec.pipeline().partition();
  const std::vector<int> units_per_part(given.begin(), given.end());
  absl::StatusOr<Partition> partition =
      given.empty() ? BalancedPartition(unit_costs, part_speeds)
                    : ExplicitPartition(units_per_part, unit_costs, part_speeds);
  if (partition.ok() && chunks > 1) {
    partition->reason =
        absl::StrCat("as ", part_speeds.size(), " stages of one chunk, ", partition->reason);
  }
  return partition;
}

google::protobuf::RepeatedPtrField<v1::UnitRange> ChunksOfStage(const Partition& partition,
                                                                int stage, int stages) {
  google::protobuf::RepeatedPtrField<v1::UnitRange> chunks;
  for (int part = stage; part < partition.stages(); part += stages) {
    v1::UnitRange& chunk = *chunks.Add();
    chunk.set_first_unit(partition.bounds[part]);
    chunk.set_end_unit(partition.bounds[part + 1]);
  }
  return chunks;
}

}  // namespace paci
