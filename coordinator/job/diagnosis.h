#pragma once

// Why a pipeline stands still: who waits for whom, down to the one that waits for nobody.

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci {

// One stage, as its worker last reported it.
struct StageSight {
  v1::StageStatus status;
  absl::Duration report_age;
  bool is_held = false;  // paused and drained
};

struct JobSight {
  v1::JobSpec spec;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  std::string reason;  // of the state
  std::vector<StageSight> stages;
  absl::Duration silent_after;  // an older report says that the stage is silent
  bool is_moving = false;       // something was finished no longer ago than is usual
  absl::Duration still_for;     // so long ago that was heard of
};

// For every stage a phrase that goes on "stage 2 ...", true of when it last reported; what is said
// of the whole says how old it is ("as of 1.2s ago"). If the pipeline is to move and does not, the
// cause. A stage that waits for no other one is one; so is a link, when a stage waits for what
// the other end has sent, or two wait for each other: `cause` is then the stage that waits (which
// may also be one that hangs and does not notice what came). Of several, the one that the most
// stages wait for.
v1::Diagnosis Diagnose(const JobSight& job);

}  // namespace paci
