#pragma once

#include <cstdint>
#include <string>

#include "common/simulator/simulator.h"

namespace paci {

// The first `updates` updates of a run, or all if it has no more, for a terminal: a line a stage of
// at most `columns` characters (at least 40), a letter for what the stage did for the greater part
// of a column's time, '.' for nothing, below a line with the time. `run` was simulated with
// keeps_trace.
std::string Gantt(const Simulation& run, int64_t updates, int64_t columns);

}  // namespace paci
