#pragma once

// The coordinator's status page: plain HTML without scripts, and nothing from elsewhere. Pure: a
// view becomes text.

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci {

// A job with what the page shows of its past.
struct JobView {
  v1::Job job;
  std::vector<v1::MetricPoint> points;  // some of its curve, by update
  std::vector<v1::Event> events;        // the newest, oldest first
};

struct ClusterView {
  absl::Time now;
  std::vector<v1::Job> jobs;  // newest first
  std::vector<v1::Worker> workers;
  std::vector<JobView> shown;  // in full
};

// Every text of a user or a worker is escaped.
std::string StatusPage(const ClusterView& view);

// Points a curve of `updates` updates is shown by: every so many updates.
uint64_t StepOfCurve(uint64_t updates);

}  // namespace paci
