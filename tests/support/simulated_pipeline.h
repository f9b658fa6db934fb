#pragma once

#include <cstdint>
#include <vector>

#include "common/simulator/simulator.h"

namespace paci {

// Costs of such a pipeline in which everything varies: stages, links, and each action and frame. A
// few nanoseconds, some of them none, so that much falls on one instant.
SimulatedCosts RandomCosts(const ScheduleConfig& config, uint64_t seed);

// A failed test when it is no run.
Simulation SimulateOrFail(const ScheduleConfig& config, const SimulatedCosts& costs,
                          const SimulationOptions& options = {.keeps_trace = true});

std::vector<Action> ActionsOf(const SimulatedStage& stage);
// The indices of the actions of one kind, in their order.
std::vector<int64_t> IndicesOf(const std::vector<Action>& trace, ActionKind kind);
// The micro-batches of forwards, or of backwards, or of validations, as every stage must have them:
// `count` in rounds of `round`, by the definition of each order.
std::vector<Action> ExpectedPasses(const ScheduleConfig& config, ActionKind kind, int64_t count,
                                   int64_t round);
// The actions of one kind, in their order.
std::vector<Action> ActionsOfKind(const std::vector<Action>& trace, ActionKind kind);
// The versions that the actions of one kind read, in their order.
std::vector<int64_t> VersionsOf(const SimulatedStage& stage, ActionKind kind);
// 0, 1 ... count - 1
std::vector<int64_t> CountTo(int64_t count);

}  // namespace paci
