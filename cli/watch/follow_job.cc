#include "cli/watch/follow_job.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/format/names.h"
#include "common/text/short_duration.h"

namespace paci::cli {
namespace {

constexpr absl::Duration kPauseBeforeReconnect = absl::Milliseconds(200);

absl::Status Outcome(const v1::Job& job) {
  if (job.state() == v1::JOB_STATE_COMPLETED) return absl::OkStatus();
  const absl::string_view what =
      job.state() == v1::JOB_STATE_CANCELLED ? " was cancelled" : " failed";
  return absl::AbortedError(
      absl::StrCat("job ", job.id(), what, job.reason().empty() ? "" : ": ", job.reason()));
}

// One stream, from its first message to its end. `job` is the last one shown.
absl::Status ShowStream(const v1::WatchJobRequest& request, Client& client, Interrupt& interrupt,
                        JobView& view, v1::Job* job) {
  grpc::ClientContext context;
  const Interrupt::Scope scope(&interrupt, &context);
  const auto reader = client.jobs().WatchJob(&context, request);
  absl::Status shown;
  for (v1::Job next; shown.ok() && reader->Read(&next);) {
    *job = next;
    shown = view.Show(*job, absl::Now());
  }
  if (!shown.ok()) context.TryCancel();
  const absl::Status status = client.ToStatus(reader->Finish());
  return shown.ok() ? status : shown;
}

}  // namespace

absl::Status StoppedWatching(const std::string& job_id) {
  return absl::CancelledError(absl::StrCat("stopped watching; job ", job_id,
                                           " goes on (to stop it: pacictl cancel ", job_id, ")"));
}

absl::Status FollowJob(const std::string& job_id, absl::Duration min_interval, Client& client,
                       Interrupt& interrupt, JobView& view) {
  v1::GetJobRequest get;
  get.set_job_id(job_id);
  v1::WatchJobRequest watch;
  watch.set_job_id(job_id);
  watch.set_min_interval_seconds(absl::ToDoubleSeconds(min_interval));

  // A stream says nothing of a coordinator that hangs, so a call with a deadline goes before it.
  absl::StatusOr<v1::Job> job = client.Call(&Jobs::GetJob, get);
  while (true) {
    if (interrupt.caught()) return StoppedWatching(job_id);
    if (!job.ok()) return job.status();
    const absl::Status status = ShowStream(watch, client, interrupt, view, &*job);
    if (interrupt.caught()) return StoppedWatching(job_id);
    if (!status.ok() && !absl::IsUnavailable(status)) return status;
    if (HasEnded(job->state())) {
      view.Finish(*job);
      return Outcome(*job);
    }
    view.Note(absl::StrCat("pacictl: lost the coordinator; waiting for it up to ",
                           ShortDuration(kReconnectPatience)));
    if (interrupt.WaitFor(kPauseBeforeReconnect)) return StoppedWatching(job_id);
    job = client.CallPatiently(&Jobs::GetJob, get, kReconnectPatience);
  }
}

}  // namespace paci::cli
