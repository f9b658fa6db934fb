// Traces of running jobs.
#include <utility>

#include "absl/strings/str_cat.h"
#include "coordinator/job/controller.h"

namespace paci {
namespace {

absl::Status CannotBeTraced(const v1::Job& job) {
  absl::string_view advice = "only a job that is Running can be traced; wait until it is";
  if (job.state() == v1::JOB_STATE_PAUSING || job.state() == v1::JOB_STATE_PAUSED) {
    advice = "only a job that is Running can be traced; resume it first";
  } else if (IsEnded(job.state())) {
    advice = "it has ended, and only what runs can be traced";
  }
  return absl::FailedPreconditionError(
      absl::StrCat("job ", job.id(), " is ", ToString(job.state()), ": ", advice));
}

}  // namespace

absl::Status Controller::Trace(TraceTicket ticket, const v1::TraceJobRequest& request,
                               absl::Time now) {
  const absl::StatusOr<JobRecord*> found = Find(request.job_id());
  if (!found.ok()) return found.status();
  const JobRecord& record = **found;
  if (record.job().state() != v1::JOB_STATE_RUNNING) return CannotBeTraced(record.job());
  std::vector<TraceTarget> targets;
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    const StageRecord& stage = record.stages[i];
    targets.push_back({record.Key(i), stage.status.worker_id(), stage.status.worker_name(),
                       stage.is_attached
                           ? ""
                           : absl::StrCat("its worker is out of reach: ", stage.status.error())});
  }
  return tracing_.Begin(ticket, request, targets, now, SenderOfTraces(now));
}

void Controller::AbandonTrace(TraceTicket ticket) { tracing_.Abandon(ticket); }

std::function<uint64_t(const std::string&, v1::Command)> Controller::SenderOfTraces(
    absl::Time now) {
  return [this, now](const std::string& worker_id, v1::Command command) -> uint64_t {
    const WorkerRecord* const worker = registry_.Find(worker_id);
    // One that is lost is about to be left out.
    if (worker == nullptr || !worker->is_connected()) return 0;
    return SendCommand(*worker, std::move(command), now).id;
  };
}

}  // namespace paci
