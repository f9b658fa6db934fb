#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/time/time.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// How fast a count grows, over the last reports that showed it growing. Single-threaded.
class RateWindow {
 public:
  void Add(absl::Time now, uint64_t count);
  // Per second; falls towards 0 while the count stands still. 0: not known yet.
  double Rate(absl::Time now) const;
  void Reset() { samples_.clear(); }

 private:
  std::deque<std::pair<absl::Time, uint64_t>> samples_;
};

// So many updates are done, and their tokens.
void SetUpdates(const v1::JobSpec& spec, uint64_t updates, v1::JobProgress& progress);

struct JobRecord;

// job.progress from what the stages last reported. Called after each report.
void UpdateProgress(JobRecord& record, absl::Time now);

// Takes over what a new point of the job's curves says.
void UpdateProgress(const v1::MetricPoint& point, v1::JobProgress& progress);

}  // namespace paci
