#include "coordinator/job/event_types.h"

#include <set>

#include "coordinator/job/job_machine.h"

namespace paci {

const std::vector<absl::string_view>& EventTypes() {
  static const std::vector<absl::string_view>& types = *[] {
    std::set<absl::string_view> sorted = {
        "CheckpointCommitted", "CheckpointFailed", "CheckpointWritten", "CoordinatorStarted",
        "FastRestartGivenUp",  "RescaleAsked",     "StageFailed",       "StageLost",
        "PauseAsked",          "PauseWithdrawn",   "StageReadopted",    "Stalled",
        "StoreIsOlder",        "Submitted",        "UpdateSkipped",     "Waiting"};
    for (const JobTransition& transition : JobTransitions()) sorted.insert(transition.event);
    return new std::vector<absl::string_view>(sorted.begin(), sorted.end());
  }();
  return types;
}

}  // namespace paci
