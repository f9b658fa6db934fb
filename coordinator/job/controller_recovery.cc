// From a failure to the next generation: which workers, and what they go on from.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/who_holds_what.h"

namespace paci {
namespace {

// A stage goes to the worker that had it, if that is free: what it has read is still at hand there.
// The others go to workers that had some stage of the job, then to any. `free` has enough.
std::vector<WorkerRecord*> ChooseWorkers(const std::vector<StageRecord>& before,
                                         const std::vector<WorkerRecord*>& free, size_t count) {
  std::vector<WorkerRecord*> chosen(count, nullptr);
  std::vector<WorkerRecord*> own;
  std::vector<WorkerRecord*> others = free;
  for (size_t i = 0; i < before.size(); ++i) {
    const auto worker = std::find_if(others.begin(), others.end(), [&](const WorkerRecord* w) {
      return w->id == before[i].status.worker_id();
    });
    if (worker == others.end()) continue;
    if (i < count) {
      chosen[i] = *worker;
    } else {
      own.push_back(*worker);
    }
    others.erase(worker);
  }
  others.insert(others.begin(), own.begin(), own.end());
  auto next = others.begin();
  for (WorkerRecord*& worker : chosen) {
    if (worker == nullptr) worker = *next++;
  }
  return chosen;
}

}  // namespace

void Controller::Recover(JobRecord& record, const RecoveryDecision& decision, absl::Time now) {
  if (decision.kind == RecoveryDecision::Kind::kFail) {
    return Change(record, JobTrigger::kFail, decision.reason, now);
  }
  v1::Job& job = record.job();
  auto& checkpoints = *job.mutable_checkpoints();
  if (decision.kind == RecoveryDecision::Kind::kRestartFromOlder) {
    checkpoints.RemoveLast();
    job.set_checkpoint(checkpoints.rbegin()->directory());
    job.set_micro_batch_split(checkpoints.rbegin()->micro_batch_split());
  }
  const bool is_paused =
      job.state() == v1::JOB_STATE_PAUSING || job.state() == v1::JOB_STATE_PAUSED;
  if (is_paused) job.set_is_pause_wanted(true);
  DropOldRestarts(job, now);
  *job.add_restarts() = ToTimestamp(now);
  // Not divided yet: nothing is to go on from.
  if (job.state() == v1::JOB_STATE_PLACING) return Requeue(record, decision.reason, now);
  Change(record, JobTrigger::kRecover, decision.reason, now);
  if (decision.fast) return KeepSurvivors(record, *decision.fast, decision.reason, now);
  GoBack(record, decision.reason, record.StageCount(), now);
}

void Controller::GoBack(JobRecord& record, absl::string_view reason, uint32_t enough,
                        absl::Time now) {
  ReleaseStages(record, reason, now);
  record.fast.reset();
  const v1::Checkpoint* point = ResumePoint(record.job());
  ForgetAfter(record, point == nullptr ? 0 : point->update());
  BeginWaiting(record, enough, now);
}

void Controller::ForgetAfter(JobRecord& record, uint64_t update) {
  v1::Job& job = record.job();
  effects_.writes.cut_points.push_back({job.id(), update});
  record.stored.pending_commit.clear();
  record.stored.settled_update = update;
  v1::JobProgress& progress = *job.mutable_progress();
  SetUpdates(record.spec(), update, progress);
  progress.set_tokens_per_second(0);
  progress.set_eta_seconds(0);
  record.failures.clear();
  record.failing_since = absl::InfiniteFuture();
}

void Controller::BeginWaiting(JobRecord& record, uint32_t enough, absl::Time now) {
  record.job().set_stage_count(enough);
  record.replacement_deadline = now + absl::Seconds(record.spec().recovery().replacement_seconds());
}

bool Controller::AwaitsItsOwn(const JobRecord& record, absl::Time now) const {
  if (now >= record.replacement_deadline + options_.commands.release) return false;
  const auto& workers = registry_.workers();
  return std::any_of(workers.begin(), workers.end(), [&](const auto& entry) {
    const WorkerRecord& worker = entry.second;
    return worker.is_connected() && !worker.is_leaving && worker.releasing &&
           worker.releasing->job_id() == record.job().id();
  });
}

PlacingDecision Controller::DecidePlacingOf(const JobRecord& record, uint32_t had, size_t free,
                                            absl::Time now) const {
  const Needs needs = {had, record.EnoughStages(), record.spec().recovery().replacement_seconds(),
                       now >= record.replacement_deadline && !AwaitsItsOwn(record, now)};
  return DecidePlacing(record.job(), needs, free);
}

void Controller::PlaceRecoveringJobs(absl::Time now) {
  for (const auto& [number, id] : job_order_) {
    JobRecord& record = jobs_.at(id);
    const bool recovers = record.job().state() == v1::JOB_STATE_RECOVERING;
    if (!recovers || record.is_left_alone()) continue;
    const std::vector<WorkerRecord*> free = registry_.Free(record.spec().train().device());
    if (record.fast && GoOnFast(record, free, now)) continue;
    const PlacingDecision decision =
        DecidePlacingOf(record, std::max(record.StageCount(), 1u), free.size(), now);
    if (decision.kind == PlacingDecision::Kind::kGoOn) {
      PlaceAgain(record, free, decision, now);
    } else if (decision.kind == PlacingDecision::Kind::kFail) {
      Change(record, JobTrigger::kFail, absl::StrCat(decision.reason, "; ", record.job().reason()),
             now);
    }
  }
}

void Controller::PlaceAgain(JobRecord& record, const std::vector<WorkerRecord*>& free,
                            const PlacingDecision& decision, absl::Time now) {
  const std::vector<StageRecord> before = std::exchange(record.stages, {});
  const std::vector<WorkerRecord*> workers = ChooseWorkers(before, free, decision.stages);
  const bool is_divided = before.size() == workers.size();
  std::vector<StageRecord> stages(workers.size());
  for (size_t i = 0; i < stages.size(); ++i) {
    if (is_divided) *stages[i].status.mutable_chunks() = before[i].status.chunks();
    for (const StageRecord& stage : before) {
      if (stage.status.worker_id() == workers[i]->id) stages[i].costs = stage.costs;
    }
  }
  BeginGeneration(record, workers, std::move(stages));
  std::string reason = absl::StrCat(WhoHoldsWhat(record), "; they go on from ",
                                    record.fast ? absl::StrCat("update ", record.fast->first_update)
                                                : PlaceToRestart(record.job()));
  if (!decision.reason.empty()) absl::StrAppend(&reason, "; ", decision.reason);
  if (!is_divided) {
    const absl::StatusOr<std::string> divided = Divide(record);
    if (!divided.ok()) return Change(record, JobTrigger::kFail, divided.status().message(), now);
    absl::StrAppend(&reason, "; ", *divided);
  }
  Change(record, JobTrigger::kPrepare, reason, now);
  Advance(record, now);
}

void Controller::BeginGeneration(JobRecord& record, const std::vector<WorkerRecord*>& workers,
                                 std::vector<StageRecord> stages) {
  record.job().set_generation(record.job().generation() + 1);
  record.job().set_stage_count(static_cast<uint32_t>(workers.size()));
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
