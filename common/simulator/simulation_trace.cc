#include "common/simulator/simulation_trace.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "common/telemetry/chrome_trace.h"

namespace paci {
namespace {

// The simulator counts whole nanoseconds.
int64_t Nanoseconds(double seconds) { return std::llround(seconds * 1e9); }

}  // namespace

std::string ToChromeTrace(const Simulation& run) {
  ChromeTrace trace;
  trace.NameProcess(0, "pipeline");
  for (size_t i = 0; i < run.stages.size(); ++i) {
    const ChromeTrace::Row row{0, static_cast<int64_t>(i)};
    trace.NameRow(row, absl::StrCat("stage ", i));
    for (const TimedAction& timed : run.stages[i].trace) {
      const int64_t begin = Nanoseconds(timed.start_seconds);
      trace.AddSlice(row, ToString(timed.action), NameOf(timed.action.kind), begin,
                     Nanoseconds(timed.end_seconds) - begin, {{"version", timed.version}});
    }
  }
  return trace.ToJson();
}

}  // namespace paci
