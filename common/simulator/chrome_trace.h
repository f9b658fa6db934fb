#pragma once

#include <string>

#include "common/simulator/simulator.h"

namespace paci {

// The traces of a run in Chrome's trace event format (chrome://tracing, Perfetto): a JSON array of
// a complete event an action, "ts" and "dur" in microseconds, a thread a stage, named. `run` was
// simulated with keeps_trace.
std::string ChromeTrace(const Simulation& run);

}  // namespace paci
