#pragma once

// coordinator/job: what the coordinator decides. Pure logic: no threads, no clock, no I/O; `now`
// and secrets are arguments, and what is to be done comes out as Effects. Only coordinator/service,
// which carries the effects out, may depend on it. Guards: one job a worker; generations only grow;
// an ended job holds no worker; an event is in the store before what it announces is sent.
//
// This file is the life of a job, as one table.

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "paci/v1/job.pb.h"

namespace paci {

enum class JobTrigger {
  kPlace,
  kRequeue,
  kPrepare,
  kRun,
  kPause,
  kHeld,
  kAbandonPause,
  kRecover,
  kRescale,
  kSplit,
  kResume,
  kComplete,
  kFail,
  kCancel,
};

struct JobTransition {
  v1::JobState from;
  JobTrigger trigger;
  v1::JobState to;
  absl::string_view event;  // Event.type
  absl::string_view when;   // what has to be so
};

// No two rows share (from, trigger).
absl::Span<const JobTransition> JobTransitions();

// FAILED_PRECONDITION, naming the job's state, the verb, and the states that allow it.
absl::StatusOr<JobTransition> FindTransition(absl::string_view job_id, v1::JobState from,
                                             JobTrigger trigger);

bool IsEnded(v1::JobState state);
// It has workers, and its stages are followed.
bool IsPlaced(v1::JobState state);
// It has run, does not now, and is to run again.
bool WillRunAgain(const v1::Job& job);

absl::string_view ToString(v1::JobState state);  // "Running"
absl::string_view ToString(JobTrigger trigger);  // "pause"

}  // namespace paci
