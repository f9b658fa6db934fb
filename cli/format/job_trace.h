#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// What the stages of a job did over a window. Each message has all that its stage sent, by its
// worker's clock.
struct JobTrace {
  std::string job_id;
  std::vector<v1::StageTrace> stages;  // by index

  bool HasSpans() const;
  // How far apart, at most, two instants were that the trace shows as one.
  absl::Duration ClockError() const;
};

// Puts together what TraceJob answered.
JobTrace MakeJobTrace(absl::string_view job_id, const std::vector<v1::StageTrace>& parts);

// As a Chrome trace (docs/timelines.md), by the coordinator's clock. Time 0 is where the first span
// begins.
std::string ToChromeTrace(const JobTrace& trace);

// A line a stage and one about the clocks.
std::string SummaryOf(const JobTrace& trace);

// Where the trace is less than was asked for. Pure.
struct TraceProblems {
  std::vector<std::string> cut_short;  // stages whose window ended early
  std::vector<std::string> missing;    // stages that did not send what they did, or not all
};
TraceProblems ProblemsOf(const JobTrace& trace);

}  // namespace paci::cli
