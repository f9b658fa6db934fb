#pragma once

#include <cstdint>
#include <vector>

#include "common/simulator/simulator.h"

namespace paci {

// Costs of `stages` stages in which everything varies: stages, links, and each action and frame. A
// few nanoseconds, some of them none, so that much falls on one instant.
SimulatedCosts RandomCosts(int64_t stages, uint64_t seed);

// A failed test when it is no run.
Simulation SimulateOrFail(const ScheduleConfig& config, const SimulatedCosts& costs,
                          const SimulationOptions& options = {.keeps_trace = true});

std::vector<Action> ActionsOf(const SimulatedStage& stage);
// The indices of the actions of one kind, in their order.
std::vector<int64_t> IndicesOf(const std::vector<Action>& trace, ActionKind kind);
// The versions that the actions of one kind read, in their order.
std::vector<int64_t> VersionsOf(const SimulatedStage& stage, ActionKind kind);
// 0, 1 ... count - 1
std::vector<int64_t> CountTo(int64_t count);

}  // namespace paci
