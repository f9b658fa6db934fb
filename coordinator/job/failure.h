#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace paci {

// How much a failure says about what went wrong, the most first.
enum class FailureKind {
  kOwnError,     // the stage reported an error that is not about a neighbour
  kWorkerLost,   // its worker cannot be reached, or came back without the stage
  kStalled,      // nothing moves, and the others wait for it
  kConsequence,  // the stage reported that a neighbour is gone
};

struct FailureCause {
  FailureKind kind = FailureKind::kOwnError;
  uint32_t stage = 0;
  std::string worker;  // its name
  std::string what;
};

// Of an error as a stage reports it, "CODE: message". A channel whose peer went away, or did not
// come in time, says UNAVAILABLE, CANCELLED, ABORTED or DEADLINE_EXCEEDED.
FailureKind ClassifyError(absl::string_view error);

// Adds what a stage's failure turned out to be; of several, the one that says most is kept.
void AddCause(FailureCause cause, std::vector<FailureCause>& causes);

// Whether waiting for more reports cannot make the answer better.
bool IsConclusive(const std::vector<FailureCause>& causes);

// The sentence for the job: which stage, on which worker, and why; stages that only lost a
// neighbour are counted. `causes` is not empty.
std::string DescribeFailure(const std::vector<FailureCause>& causes);

}  // namespace paci
