// From a failure to the next generation: which workers, and what they go on from.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/who_holds_what.h"

namespace paci {

void Controller::Recover(JobRecord& record, const RecoveryDecision& decision, absl::Time now) {
  if (decision.kind == RecoveryDecision::Kind::kFail) {
    return Change(record, JobTrigger::kFail, decision.reason, now);
  }
  v1::Job& job = record.job();
  auto& checkpoints = *job.mutable_checkpoints();
  if (decision.kind == RecoveryDecision::Kind::kRestartFromOlder) {
    checkpoints.RemoveLast();
    job.set_checkpoint(checkpoints.rbegin()->directory());
  }
  const bool is_paused =
      job.state() == v1::JOB_STATE_PAUSING || job.state() == v1::JOB_STATE_PAUSED;
  if (is_paused) job.set_is_pause_wanted(true);
  DropOldRestarts(job, now);
  *job.add_restarts() = ToTimestamp(now);
  // Not divided yet: nothing is to go on from.
  if (job.state() == v1::JOB_STATE_PLACING) return Requeue(record, decision.reason, now);
  Change(record, JobTrigger::kRecover, decision.reason, now);
  ReleaseStages(record, decision.reason, now);

  const uint64_t update = checkpoints.empty() ? 0 : checkpoints.rbegin()->update();
  // What was reported of later updates is computed again.
  effects_.writes.cut_points.push_back({job.id(), update});
  record.stored.pending_commit.clear();
  record.stored.settled_update = update;
  v1::JobProgress& progress = *job.mutable_progress();
  progress.set_updates(update);
  progress.set_tokens(update * record.spec().pipeline().accumulation() *
                      record.spec().pipeline().micro_batch() * record.spec().model().context());
  progress.set_tokens_per_second(0);
  progress.set_eta_seconds(0);
  record.failures.clear();
  record.failing_since = absl::InfiniteFuture();
  record.replacement_deadline = now + ReplacementTimeOf(record);
}

void Controller::PlaceRecoveringJobs(absl::Time now) {
  for (const auto& [number, id] : job_order_) {
    JobRecord& record = jobs_.at(id);
    const bool recovers = record.job().state() == v1::JOB_STATE_RECOVERING;
    if (!recovers || !record.is_newer_at_workers.empty()) continue;
    std::vector<WorkerRecord*> free = registry_.Free(record.spec().train().device());
    const size_t needed = record.stages.size();
    if (free.size() >= needed) {
      PlaceAgain(record, std::move(free), now);
      continue;
    }
    if (now < record.replacement_deadline) continue;
    Change(record, JobTrigger::kFail,
           absl::StrCat("it cannot go on: it needs ", needed, " workers, and for ",
                        absl::FormatDuration(ReplacementTimeOf(record)), " no more than ",
                        free.size(), " were free; ", record.job().reason()),
           now);
  }
}

// A stage goes to the worker that had it, if that is free: what it has read is still at hand there.
void Controller::PlaceAgain(JobRecord& record, std::vector<WorkerRecord*> free, absl::Time now) {
  std::vector<WorkerRecord*> workers(record.stages.size(), nullptr);
  for (size_t i = 0; i < workers.size(); ++i) {
    const std::string& previous = record.stages[i].status.worker_id();
    const auto own = std::find_if(free.begin(), free.end(),
                                  [&](const WorkerRecord* w) { return w->id == previous; });
    if (own == free.end()) continue;
    workers[i] = *own;
    free.erase(own);
  }
  auto next = free.begin();
  for (WorkerRecord*& worker : workers) {
    if (worker == nullptr) worker = *next++;
  }
  std::vector<StageRecord> stages(workers.size());
  for (size_t i = 0; i < stages.size(); ++i) {
    *stages[i].status.mutable_chunks() = record.stages[i].status.chunks();
    stages[i].costs = record.stages[i].costs;
  }
  BeginGeneration(record, workers, std::move(stages));
  Change(record, JobTrigger::kPrepare,
         absl::StrCat(WhoHoldsWhat(record), "; they go on from ", PlaceToRestart(record.job())),
         now);
  Advance(record, now);
}

void Controller::BeginGeneration(JobRecord& record, const std::vector<WorkerRecord*>& workers,
                                 std::vector<StageRecord> stages) {
  record.job().set_generation(record.job().generation() + 1);
  record.secret = options_.make_secret();
  record.failures.clear();
  record.failing_since = absl::InfiniteFuture();
  record.held_at_update.reset();
  record.token_rate.Reset();
  record.stages = std::move(stages);
  for (uint32_t i = 0; i < workers.size(); ++i) {
    StageRecord& stage = record.stages[i];
    workers[i]->holds = record.Key(i);
    stage.is_attached = true;
    stage.status.set_index(i);
    stage.status.set_state(v1::STAGE_STATE_PREPARING);
    stage.status.set_worker_id(workers[i]->id);
    stage.status.set_worker_name(workers[i]->name);
  }
}

}  // namespace paci
