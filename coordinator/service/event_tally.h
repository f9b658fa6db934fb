#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci {

// What the events since this coordinator's start say in numbers, for /metrics. Single-threaded.
class EventTally {
 public:
  struct Recoveries {
    uint64_t restarts = 0;    // decided on, after a failure
    uint64_t recoveries = 0;  // and how many of them ended with the job running again: <= restarts
    absl::Duration spent;     // from the decision to that, in all
  };

  EventTally();

  void Add(const v1::Event& event);
  // The job was deleted.
  void Forget(const std::string& job_id) { jobs_.erase(job_id); }

  // Every type that there is, with 0 for one that did not happen.
  const std::map<std::string, uint64_t>& by_type() const { return by_type_; }
  Recoveries OfJob(const std::string& job_id) const;

 private:
  struct JobTally {
    Recoveries recoveries;
    absl::Time down_since = absl::InfiniteFuture();
  };

  std::map<std::string, uint64_t> by_type_;
  std::map<std::string, JobTally> jobs_;  // those that ever failed
};

}  // namespace paci
