// The balanced partition against every partition there is. Costs and speeds are small whole numbers
// and powers of two, so that every time is exact and "equal" means equal.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "common/partition/partition.h"

namespace paci {
namespace {

// Of the full range from the first case on, where rapidcheck begins with the least.
rc::Gen<int> InRange(int min, int end) {
  return rc::gen::resize(rc::kNominalSize, rc::gen::inRange(min, end));
}

// What the best partition is best at: the slowest stage, then the squares, then fewer units on
// earlier stages.
using Score = std::tuple<double, double, std::vector<int>>;

Score ScoreOf(const std::vector<int>& bounds, const std::vector<double>& costs,
              const std::vector<double>& speeds) {
  double slowest = 0;
  double squares = 0;
  for (size_t stage = 0; stage < speeds.size(); ++stage) {
    double time = 0;
    for (int unit = bounds[stage]; unit < bounds[stage + 1]; ++unit) time += costs[unit];
    time /= speeds[stage];
    slowest = std::max(slowest, time);
    squares += time * time;
  }
  return {slowest, squares, bounds};
}

// Tries every end of the stage after those in `bounds`.
void ForEveryPartition(const std::vector<double>& costs, const std::vector<double>& speeds,
                       std::vector<int>* bounds, Score* best) {
  const int units = static_cast<int>(costs.size());
  if (bounds->size() == speeds.size()) {
    bounds->push_back(units);
    if (bounds->back() > (*bounds)[bounds->size() - 2]) {
      *best = std::min(*best, ScoreOf(*bounds, costs, speeds));
    }
    bounds->pop_back();
    return;
  }
  for (int end = bounds->back() + 1; end < units; ++end) {
    bounds->push_back(end);
    ForEveryPartition(costs, speeds, bounds, best);
    bounds->pop_back();
  }
}

RC_GTEST_PROP(PartitionProperty, IsTheBestOfAllThereAre, ()) {
  const int units = *InRange(1, 10);
  const int stages = *InRange(1, std::min(units, 5) + 1);
  auto costs = *rc::gen::container<std::vector<double>>(
      units, rc::gen::map(InRange(0, 8), [](int c) { return static_cast<double>(c); }));
  costs[*InRange(0, units)] += 1;
  const auto speeds =
      *rc::gen::container<std::vector<double>>(stages, rc::gen::element(0.5, 1.0, 1.0, 2.0, 4.0));

  const auto partition = BalancedPartition(costs, speeds);
  RC_ASSERT(partition.ok());
  Score best{1e9, 1e9, {}};
  std::vector<int> bounds = {0};
  ForEveryPartition(costs, speeds, &bounds, &best);
  RC_ASSERT(ScoreOf(partition->bounds, costs, speeds) == best);
}

RC_GTEST_PROP(PartitionProperty, HasEveryUnitOnceAndNoStageWithoutOne, ()) {
  const int units = *InRange(1, 60);
  const int stages = *InRange(1, units + 1);
  const auto costs = *rc::gen::container<std::vector<double>>(
      units, rc::gen::map(InRange(1, 1000000), [](int c) { return c * 1e-7; }));
  const auto speeds = *rc::gen::container<std::vector<double>>(
      stages, rc::gen::map(InRange(1, 1000), [](int s) { return s * 1e-3; }));
  const auto partition = BalancedPartition(costs, speeds);
  RC_ASSERT(partition.ok());
  RC_ASSERT(partition->stages() == stages);
  RC_ASSERT(partition->bounds.front() == 0);
  RC_ASSERT(partition->bounds.back() == units);
  for (int stage = 0; stage < stages; ++stage) {
    RC_ASSERT(partition->bounds[stage] < partition->bounds[stage + 1]);
  }
  RC_ASSERT(partition->balance > 0 && partition->balance <= 1);
}

RC_GTEST_PROP(PartitionProperty, DoesNotDependOnTheUnitOfCost, ()) {
  const int units = *InRange(2, 30);
  const int stages = *InRange(1, units + 1);
  const auto costs = *rc::gen::container<std::vector<double>>(
      units, rc::gen::map(InRange(1, 10), [](int c) { return c * 0.1; }));
  const std::vector<double> speeds(stages, 1.0);
  auto scaled = costs;
  for (double& cost : scaled) cost *= 3e-7;
  RC_ASSERT(BalancedPartition(costs, speeds)->bounds == BalancedPartition(scaled, speeds)->bounds);
}

}  // namespace
}  // namespace paci
