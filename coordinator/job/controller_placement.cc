// From Pending to Running, and to the end.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/schedule_config.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/cut_text.h"
#include "coordinator/job/queue.h"
#include "coordinator/job/who_holds_what.h"

namespace paci {

void Controller::PlaceWaitingJobs(absl::Time now) {
  std::vector<WaitingJob> waiting;
  std::map<std::string, WorkerSupply> supply_of_device;
  std::map<std::string, PlacingDecision> placing;  // by job
  for (const auto& [number, id] : job_order_) {
    const JobRecord& record = jobs_.at(id);
    const bool waits = record.job().state() == v1::JOB_STATE_PENDING;
    if (!waits || record.is_left_alone()) continue;
    const std::string& device = record.spec().train().device();
    if (supply_of_device.count(device) == 0) supply_of_device[device] = SupplyOf(device);
    const uint32_t wanted = WantedStages(record.job());
    PlacingDecision& decision = placing[id];
    // One that has run before may make do with fewer.
    if (record.job().has_started()) {
      decision = DecidePlacingOf(record, wanted, supply_of_device[device].free, now);
    }
    if (decision.kind != PlacingDecision::Kind::kGoOn) decision.stages = wanted;
    waiting.push_back({id, device, decision.stages});
  }
  if (waiting.empty()) return;
  std::vector<WorkerSupply> supplies;
  for (auto& [device, supply] : supply_of_device) supplies.push_back(std::move(supply));
  for (const QueueDecision& decision : DecideQueue(waiting, std::move(supplies))) {
    JobRecord& record = jobs_.at(decision.job_id);
    if (decision.is_placed) {
      Place(record, placing.at(decision.job_id), decision.reason, now);
    } else if (record.job().reason() != decision.reason) {
      record.job().set_reason(decision.reason);
      AddEvent(record, "Waiting", decision.reason, now);
      MarkChanged(record);
    }
  }
}

void Controller::Place(JobRecord& record, const PlacingDecision& decision, absl::string_view reason,
                       absl::Time now) {
  std::vector<WorkerRecord*> workers = registry_.Free(record.spec().train().device());
  workers.resize(decision.stages);
  BeginGeneration(record, workers, std::vector<StageRecord>(decision.stages));
  Change(record, JobTrigger::kPlace,
         absl::StrCat(reason, "; ", WhoHoldsWhat(record), decision.reason.empty() ? "" : "; ",
                      decision.reason),
         now);
  Advance(record, now);
}

void Controller::Advance(JobRecord& record, absl::Time now) {
  if (record.is_left_alone()) return;
  while (IsPlaced(record.job().state())) {
    if (FailOrRecover(record, now) || CompleteIfDone(record, now)) return;
    if (ReshapeIfDue(record, now)) return;
    if (!DecideCheckpoint(record, now) && !ChangeIfReady(record, now)) break;
  }
  if (IsPlaced(record.job().state())) SendCommands(record, now);
}

bool Controller::FailOrRecover(JobRecord& record, absl::Time now) {
  if (record.failures.empty()) return false;
  const bool has_all = record.failures.size() == record.stages.size();
  const bool is_over = now >= record.failing_since + options_.failure_grace &&
                       std::none_of(record.stages.begin(), record.stages.end(),
                                    [](const StageRecord& s) { return s.is_awaited; });
  // A stage out of reach explains why others lost a neighbour: its process is gone, and its lease
  // need not run out.
  const bool is_explained =
      std::any_of(record.stages.begin(), record.stages.end(),
                  [](const StageRecord& s) { return !s.is_attached && !s.is_awaited; });
  if (!IsConclusive(record.failures) && !has_all && !is_over && !is_explained) return false;
  if (MayRestartFast(record.job()) && AwaitSurvivors(record, now)) return false;
  const bool is_conclusive = IsConclusive(record.failures);
  for (const StageRecord& stage : record.stages) {
    if (stage.is_attached || is_conclusive) continue;
    AddCause({FailureKind::kWorkerLost, stage.status.index(), stage.status.worker_name(),
              stage.status.error()},
             record.failures);
  }
  Recover(record, DecideRecovery(record.job(), record.failures, RemainsOf(record), now), now);
  return true;
}

bool Controller::ChangeIfReady(JobRecord& record, absl::Time now) {
  const auto all = [&](auto claim) {
    return std::all_of(record.stages.begin(), record.stages.end(), claim);
  };
  switch (record.job().state()) {
    case v1::JOB_STATE_PLACING: {
      const bool is_measured = all([](const StageRecord& s) { return s.costs.has_value(); });
      if (NeedsMeasuring(record.SpecOfGeneration()) && !is_measured) return false;
      const absl::StatusOr<std::string> divided = Divide(record);
      if (divided.ok()) {
        Change(record, JobTrigger::kPrepare, *divided, now);
      } else {
        Change(record, JobTrigger::kFail, divided.status().message(), now);
      }
      return true;
    }
    case v1::JOB_STATE_PREPARING:
      if (!all([](const StageRecord& s) { return s.is_prepared; })) return false;
      Change(record, JobTrigger::kRun, "every stage is built and connected", now);
      if (record.job().is_pause_wanted()) {
        record.job().set_is_pause_wanted(false);
        Change(record, JobTrigger::kPause, "the pause that was asked for begins", now);
      }
      return true;
    case v1::JOB_STATE_PAUSING: {
      const auto is_drained = [&](const StageRecord& s) {
        return s.is_hold_confirmed && s.is_held && s.status.updates() == record.held_at_update;
      };
      if (!record.held_at_update || !all(is_drained)) return false;
      Change(record, JobTrigger::kHeld,
             absl::StrCat("every stage is drained after update ", *record.held_at_update), now);
      record.token_rate.Reset();
      record.job().mutable_progress()->set_tokens_per_second(0);
      record.job().mutable_progress()->set_eta_seconds(0);
      return true;
    }
    default:
      return false;
  }
}

bool Controller::CompleteIfDone(JobRecord& record, absl::Time now) {
  const bool is_finished =
      !record.stages.empty() &&
      std::all_of(record.stages.begin(), record.stages.end(), [](const StageRecord& s) {
        return s.status.state() == v1::STAGE_STATE_FINISHED;
      });
  const bool may_complete = record.job().state() == v1::JOB_STATE_RUNNING ||
                            record.job().state() == v1::JOB_STATE_PAUSING;
  if (!is_finished || !may_complete || !record.stages.back().has_all_points) return false;
  const uint64_t updates = record.spec().train().updates();
  const bool has_checkpoint = ScheduleConfigOf(record.spec()).milestones.checkpoint_last;
  if (has_checkpoint && record.stored.settled_update < updates) {
    if (!record.stored.pending_commit.empty()) return false;
    for (const StageRecord& stage : record.stages) {
      if (stage.parts.count(updates) > 0) continue;
      Change(record, JobTrigger::kFail,
             absl::StrCat("stage ", stage.status.index(), " on worker ", stage.status.worker_name(),
                          " finished without its part of the last checkpoint, update ", updates),
             now);
      return true;
    }
    return false;
  }
  uint64_t skipped = 0;
  for (const StageRecord& stage : record.stages) skipped += stage.status.skipped_updates();
  std::string reason = absl::StrCat("every stage finished ", updates, " updates");
  if (skipped > 0) {
    absl::StrAppend(&reason, ", of which the stages skipped ", skipped,
                    " in all, their gradients not being finite");
  }
  if (has_checkpoint) {
    absl::StrAppend(&reason, "; the last checkpoint is ", record.job().checkpoint());
  }
  Change(record, JobTrigger::kComplete, reason, now);
  return true;
}

bool Controller::DecideCheckpoint(JobRecord& record, absl::Time now) {
  const std::optional<ReportedCheckpoint> reported = NextCheckpoint(record);
  if (!reported) return false;
  const v1::CommitCheckpoint& commit = reported->commit;
  if (reported->failed_stage) {
    const uint32_t index = *reported->failed_stage;
    const StageRecord& stage = record.stages[index];
    const std::string error = CutText(stage.parts.at(commit.update()).error());
    SettleCheckpoint(record, commit.update());
    AddEvent(record, "CheckpointFailed",
             absl::StrCat("the checkpoint of update ", commit.update(), " is given up: stage ",
                          index, " on worker ", stage.status.worker_name(),
                          " could not write its part: ", error),
             now);
    if (commit.update() < record.spec().train().updates()) return true;
    const std::string what =
        absl::StrCat("it could not write its part of the last checkpoint: ", error);
    FailStage(record, index, FailureKind::kOwnError, what, now);
    // To train all of it again would most likely end the same way.
    if (ResumePoint(record.job()) == nullptr) {
      Change(record, JobTrigger::kFail,
             absl::StrCat(DescribeFailure(record.failures), "; there is no earlier checkpoint"),
             now);
    }
    return true;
  }
  record.stored.pending_commit = commit.SerializeAsString();
  AddEvent(record, "CheckpointWritten",
           absl::StrCat("every stage has written its part of the checkpoint of update ",
                        commit.update(), ", ", commit.files_size(), " files; it is committed"),
           now);
  MarkChanged(record);
  return true;
}

void Controller::SendCommands(JobRecord& record, absl::Time now) {
  std::vector<DataEnd> ends;
  for (const StageRecord& stage : record.stages) {
    const WorkerRecord* worker = registry_.Find(stage.status.worker_id());
    ends.push_back(worker == nullptr ? DataEnd()
                                     : DataEnd{worker->info.data_address(), worker->info.gpu_id()});
  }
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    const WorkerRecord* worker = registry_.Find(record.stages[i].status.worker_id());
    if (worker == nullptr || !worker->is_connected()) continue;
    std::optional<v1::Command> command = NextCommand(record, i, options_.commands, ends);
    if (!command) continue;
    if (command->has_hold_stage() && command->hold_stage().hold()) {
      record.stages[i].needs_resume = true;
    }
    record.stages[i].in_flight = SendCommand(*worker, *std::move(command), now);
  }
}

void Controller::ReleaseStages(JobRecord& record, absl::string_view reason, absl::Time now) {
  for (uint32_t i = 0; i < record.stages.size(); ++i) ReleaseStage(record, i, reason, now);
  record.secret.clear();
}

void Controller::ReleaseStage(JobRecord& record, uint32_t index, absl::string_view reason,
                              absl::Time now) {
  StageRecord& stage = record.stages[index];
  stage.in_flight.reset();
  stage.parts.clear();
  stage.lost_deadline = absl::InfiniteFuture();
  const v1::StageState state = stage.status.state();
  if (state == v1::STAGE_STATE_PREPARING || state == v1::STAGE_STATE_READY ||
      state == v1::STAGE_STATE_RUNNING) {
    stage.status.set_state(v1::STAGE_STATE_STOPPED);
  }
  WorkerRecord* worker = HolderOf(record, index);
  if (worker == nullptr) return;
  worker->holds.reset();
  if (worker->is_connected()) Release(*worker, record.Key(index), reason, now);
}

WorkerRecord* Controller::HolderOf(const JobRecord& record, uint32_t index) {
  WorkerRecord* worker = registry_.Find(record.stages[index].status.worker_id());
  const bool holds =
      worker != nullptr && worker->holds && IsSame(*worker->holds, record.Key(index));
  return holds ? worker : nullptr;
}

void Controller::Requeue(JobRecord& record, absl::string_view reason, absl::Time now) {
  ReleaseStages(record, reason, now);
  record.fast.reset();
  record.stages.clear();
  BeginWaiting(record, WantedStages(record.job()), now);
  Change(record, JobTrigger::kRequeue, reason, now);
}

}  // namespace paci
