#pragma once

#include <string>

#include "common/simulator/simulator.h"

namespace paci {

// A run as a Chrome trace (common/telemetry/chrome_trace.h): a slice an action, a row a stage.
// `run` was simulated with keeps_trace.
std::string ToChromeTrace(const Simulation& run);

}  // namespace paci
