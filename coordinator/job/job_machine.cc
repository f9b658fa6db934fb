#include "coordinator/job/job_machine.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

using v1::JOB_STATE_CANCELLED;
using v1::JOB_STATE_COMPLETED;
using v1::JOB_STATE_FAILED;
using v1::JOB_STATE_PAUSED;
using v1::JOB_STATE_PAUSING;
using v1::JOB_STATE_PENDING;
using v1::JOB_STATE_PLACING;
using v1::JOB_STATE_PREPARING;
using v1::JOB_STATE_RECOVERING;
using v1::JOB_STATE_RUNNING;

constexpr absl::string_view kByUser = "a user asks for it";
constexpr absl::string_view kNotComing =
    "a stage failed or its worker was lost, and the job is not to restart again";
constexpr absl::string_view kRestarts =
    "a stage failed or its worker was lost, and the job may restart";

constexpr JobTransition kTransitions[] = {
    {JOB_STATE_PENDING, JobTrigger::kPlace, JOB_STATE_PLACING, "Placing",
     "a free worker for every stage, and nobody before it in the queue"},
    {JOB_STATE_PENDING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_PLACING, JobTrigger::kPrepare, JOB_STATE_PREPARING, "Preparing",
     "the layers are divided among the stages"},
    {JOB_STATE_PLACING, JobTrigger::kRequeue, JOB_STATE_PENDING, "Requeued",
     "the coordinator started again, or a worker was lost or leaves"},
    {JOB_STATE_PLACING, JobTrigger::kFail, JOB_STATE_FAILED, "Failed", kNotComing},
    {JOB_STATE_PLACING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_PREPARING, JobTrigger::kRun, JOB_STATE_RUNNING, "Running",
     "every stage is built and connected"},
    {JOB_STATE_PREPARING, JobTrigger::kRequeue, JOB_STATE_PENDING, "Requeued",
     "the coordinator started again, or a worker leaves"},
    {JOB_STATE_PREPARING, JobTrigger::kRecover, JOB_STATE_RECOVERING, "Recovering", kRestarts},
    {JOB_STATE_PREPARING, JobTrigger::kFail, JOB_STATE_FAILED, "Failed", kNotComing},
    {JOB_STATE_PREPARING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_RECOVERING, JobTrigger::kPrepare, JOB_STATE_PREPARING, "Preparing",
     "a worker for every stage, its own or another"},
    {JOB_STATE_RECOVERING, JobTrigger::kFail, JOB_STATE_FAILED, "Failed",
     "there were not enough workers for as long as the job waits for them"},
    {JOB_STATE_RECOVERING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_RUNNING, JobTrigger::kPause, JOB_STATE_PAUSING, "Pausing",
     "a user asks for it, or a stage skipped too many updates in a row"},
    {JOB_STATE_RUNNING, JobTrigger::kComplete, JOB_STATE_COMPLETED, "Completed",
     "every stage finished and the last checkpoint, if there is one, is complete"},
    {JOB_STATE_RUNNING, JobTrigger::kRecover, JOB_STATE_RECOVERING, "Recovering", kRestarts},
    {JOB_STATE_RUNNING, JobTrigger::kRescale, JOB_STATE_RECOVERING, "Rescaling",
     "a checkpoint was committed, and the job is to go on over more, fewer or other workers"},
    {JOB_STATE_RUNNING, JobTrigger::kSplit, JOB_STATE_RECOVERING, "MicroBatchesChanging",
     "a checkpoint was committed, and its drift wants more or fewer micro-batches an update"},
    {JOB_STATE_RUNNING, JobTrigger::kFail, JOB_STATE_FAILED, "Failed", kNotComing},
    {JOB_STATE_RUNNING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_PAUSING, JobTrigger::kHeld, JOB_STATE_PAUSED, "Paused", "every stage is drained"},
    {JOB_STATE_PAUSING, JobTrigger::kAbandonPause, JOB_STATE_RUNNING, "PauseAbandoned",
     "a stage cannot be held"},
    {JOB_STATE_PAUSING, JobTrigger::kResume, JOB_STATE_RUNNING, "Resumed", kByUser},
    {JOB_STATE_PAUSING, JobTrigger::kComplete, JOB_STATE_COMPLETED, "Completed",
     "the update to pause after was the last one"},
    {JOB_STATE_PAUSING, JobTrigger::kRecover, JOB_STATE_RECOVERING, "Recovering", kRestarts},
    {JOB_STATE_PAUSING, JobTrigger::kFail, JOB_STATE_FAILED, "Failed", kNotComing},
    {JOB_STATE_PAUSING, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},

    {JOB_STATE_PAUSED, JobTrigger::kResume, JOB_STATE_RUNNING, "Resumed", kByUser},
    {JOB_STATE_PAUSED, JobTrigger::kRecover, JOB_STATE_RECOVERING, "Recovering", kRestarts},
    {JOB_STATE_PAUSED, JobTrigger::kFail, JOB_STATE_FAILED, "Failed", kNotComing},
    {JOB_STATE_PAUSED, JobTrigger::kCancel, JOB_STATE_CANCELLED, "Cancelled", kByUser},
};

std::string StatesThatAllow(JobTrigger trigger) {
  std::vector<absl::string_view> states;
  for (const JobTransition& row : kTransitions) {
    if (row.trigger == trigger) states.push_back(ToString(row.from));
  }
  return absl::StrJoin(states, ", ");
}

}  // namespace

absl::Span<const JobTransition> JobTransitions() { return kTransitions; }

absl::StatusOr<JobTransition> FindTransition(absl::string_view job_id, v1::JobState from,
                                             JobTrigger trigger) {
  for (const JobTransition& row : kTransitions) {
    if (row.from == from && row.trigger == trigger) return row;
  }
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job_id, " is ", ToString(from), ": it cannot ", ToString(trigger),
                   "; that needs a job that is one of: ", StatesThatAllow(trigger)));
}

bool IsEnded(v1::JobState state) {
  return state == JOB_STATE_COMPLETED || state == JOB_STATE_FAILED || state == JOB_STATE_CANCELLED;
}

bool IsPlaced(v1::JobState state) { return !IsEnded(state) && state != JOB_STATE_PENDING; }

bool WillRunAgain(const v1::Job& job) {
  const v1::JobState state = job.state();
  return job.has_started() && (state == JOB_STATE_PENDING || state == JOB_STATE_PLACING ||
                               state == JOB_STATE_PREPARING || state == JOB_STATE_RECOVERING);
}

absl::string_view ToString(v1::JobState state) {
  switch (state) {
    case JOB_STATE_PENDING:
      return "Pending";
    case JOB_STATE_PLACING:
      return "Placing";
    case JOB_STATE_PREPARING:
      return "Preparing";
    case JOB_STATE_RUNNING:
      return "Running";
    case JOB_STATE_RECOVERING:
      return "Recovering";
    case JOB_STATE_PAUSING:
      return "Pausing";
    case JOB_STATE_PAUSED:
      return "Paused";
    case JOB_STATE_COMPLETED:
      return "Completed";
    case JOB_STATE_FAILED:
      return "Failed";
    case JOB_STATE_CANCELLED:
      return "Cancelled";
    default:
      return "Unknown";
  }
}

absl::string_view ToString(JobTrigger trigger) {
  switch (trigger) {
    case JobTrigger::kPlace:
      return "place";
    case JobTrigger::kRequeue:
      return "requeue";
    case JobTrigger::kPrepare:
      return "prepare";
    case JobTrigger::kRun:
      return "run";
    case JobTrigger::kPause:
      return "pause";
    case JobTrigger::kHeld:
      return "come to rest";
    case JobTrigger::kAbandonPause:
      return "abandon its pause";
    case JobTrigger::kRecover:
      return "recover";
    case JobTrigger::kRescale:
      return "rescale";
    case JobTrigger::kSplit:
      return "change micro-batches of";
    case JobTrigger::kResume:
      return "resume";
    case JobTrigger::kComplete:
      return "complete";
    case JobTrigger::kFail:
      return "fail";
    case JobTrigger::kCancel:
      return "cancel";
  }
  return "?";
}

}  // namespace paci
