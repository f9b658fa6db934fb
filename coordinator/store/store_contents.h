#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// A job with what only the coordinator needs to know of it.
struct StoredJob {
  v1::Job job;
  uint64_t number = 0;          // the n of its id; grows over the life of a store
  std::string request_id;       // of the call that submitted it; may be empty
  uint64_t settled_update = 0;  // of the newest checkpoint that was committed, or given up
  std::string pending_commit;   // a v1::CommitCheckpoint that was decided and not yet confirmed
};

// Primary key: job, update, and whether it is a point of training or of validation.
struct StoredPoint {
  std::string job_id;
  v1::MetricPoint point;
};

// The points of a job that are of later updates are gone: it goes on from `after_update`.
struct CutPoints {
  std::string job_id;
  uint64_t after_update = 0;
};

// One transaction.
struct StoreWrites {
  std::vector<v1::Event> events;
  std::vector<StoredJob> jobs;  // inserted or replaced
  std::vector<StoredPoint> points;
  std::vector<std::string> deleted_jobs;  // with their events and points
  std::vector<CutPoints> cut_points;      // before `points` are written

  bool empty() const {
    return events.empty() && jobs.empty() && cut_points.empty() && points.empty() &&
           deleted_jobs.empty();
  }
};

// What a coordinator begins with.
struct StoreContents {
  std::vector<StoredJob> jobs;  // oldest first
  uint64_t next_job_number = 1;
  uint64_t next_event_sequence = 1;
};

}  // namespace paci
