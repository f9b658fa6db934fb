#include "common/simulator/chrome_trace.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace paci {
namespace {

absl::string_view Category(ActionKind kind) {
  switch (kind) {
    case ActionKind::kForward:
      return "forward";
    case ActionKind::kBackward:
      return "backward";
    case ActionKind::kWeights:
      return "weights";
    case ActionKind::kStep:
      return "update";
    case ActionKind::kEvaluate:
      return "validation";
    case ActionKind::kCheckpoint:
      return "checkpoint";
  }
  return "";
}

// Whole nanoseconds, as the simulator counts them, so that neighbours do not overlap.
std::string Microseconds(double seconds) { return absl::StrFormat("%.3f", seconds * 1e6); }

void AppendEvent(const TimedAction& timed, size_t stage, std::string* out) {
  absl::StrAppend(out, ",\n{\"ph\":\"X\",\"name\":\"", ToString(timed.action), "\",\"cat\":\"",
                  Category(timed.action.kind), "\",\"pid\":0,\"tid\":", stage,
                  ",\"ts\":", Microseconds(timed.start_seconds));
  absl::StrAppend(out, ",\"dur\":", Microseconds(timed.end_seconds - timed.start_seconds),
                  ",\"args\":{\"version\":", timed.version, "}}");
}

}  // namespace

std::string ChromeTrace(const Simulation& run) {
  std::string out =
      "[\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":0,\"tid\":0,"
      "\"args\":{\"name\":\"pipeline\"}}";
  for (size_t i = 0; i < run.stages.size(); ++i) {
    absl::StrAppend(&out, ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":0,\"tid\":", i,
                    ",\"args\":{\"name\":\"stage ", i, "\"}}");
    for (const TimedAction& timed : run.stages[i].trace) AppendEvent(timed, i, &out);
  }
  absl::StrAppend(&out, "\n]\n");
  return out;
}

}  // namespace paci
