#include "coordinator/service/event_tally.h"

#include <algorithm>

#include "absl/strings/string_view.h"
#include "common/rpc/timestamp.h"
#include "coordinator/job/event_types.h"

namespace paci {

EventTally::EventTally() {
  for (const absl::string_view type : EventTypes()) by_type_.emplace(type, 0);
}

void EventTally::Add(const v1::Event& event) {
  ++by_type_[event.type()];
  const absl::Time time = FromTimestamp(event.time());
  if (event.type() == "Recovering") {
    JobTally& job = jobs_[event.job_id()];
    ++job.recoveries.restarts;
    job.down_since = std::min(job.down_since, time);
    return;
  }
  const auto found = jobs_.find(event.job_id());
  if (found == jobs_.end()) return;
  JobTally& job = found->second;
  if (event.type() == "Running" && job.down_since != absl::InfiniteFuture()) {
    ++job.recoveries.recoveries;
    job.recoveries.spent += time - job.down_since;
    job.down_since = absl::InfiniteFuture();
  }
}

EventTally::Recoveries EventTally::OfJob(const std::string& job_id) const {
  const auto found = jobs_.find(job_id);
  return found == jobs_.end() ? Recoveries() : found->second.recoveries;
}

}  // namespace paci
