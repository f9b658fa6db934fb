// From Pending to Running, and to the end.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/schedule_config.h"
#include "common/partition/partition.h"
#include "common/partition/unit_costs.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/queue.h"
#include "coordinator/job/who_holds_what.h"

namespace paci {

void Controller::PlaceWaitingJobs(absl::Time now) {
  std::vector<WaitingJob> waiting;
  std::set<std::string> devices;
  for (const auto& [number, id] : job_order_) {
    const JobRecord& record = jobs_.at(id);
    const bool waits = record.job().state() == v1::JOB_STATE_PENDING;
    if (!waits || !record.is_newer_at_workers.empty()) continue;
    waiting.push_back({id, record.spec().train().device(), record.spec().pipeline().stages()});
    devices.insert(waiting.back().device);
  }
  if (waiting.empty()) return;
  std::vector<WorkerSupply> supplies;
  supplies.reserve(devices.size());
  for (const std::string& device : devices) {
    supplies.push_back({device, registry_.Free(device).size(), registry_.CountUsable(device)});
  }
  for (const QueueDecision& decision : DecideQueue(waiting, std::move(supplies))) {
    JobRecord& record = jobs_.at(decision.job_id);
    if (decision.is_placed) {
      Place(record, decision.reason, now);
    } else if (record.job().reason() != decision.reason) {
      record.job().set_reason(decision.reason);
      AddEvent(record, "Waiting", decision.reason, now);
      MarkChanged(record);
    }
  }
}

void Controller::Place(JobRecord& record, absl::string_view reason, absl::Time now) {
  const uint32_t count = record.spec().pipeline().stages();
  std::vector<WorkerRecord*> workers = registry_.Free(record.spec().train().device());
  workers.resize(count);
  BeginGeneration(record, workers, std::vector<StageRecord>(count));
  Change(record, JobTrigger::kPlace, absl::StrCat(reason, "; ", WhoHoldsWhat(record)), now);
  Advance(record, now);
}

absl::StatusOr<std::string> Controller::Divide(JobRecord& record) {
  UnitCosts costs = FlopsCosts(record.spec());
  if (NeedsMeasuring(record.spec())) {
    std::vector<v1::LayerCosts> measured;
    for (const StageRecord& stage : record.stages) measured.push_back(*stage.costs);
    absl::StatusOr<UnitCosts> measured_costs = MeasuredCosts(record.spec(), measured);
    if (!measured_costs.ok()) return measured_costs.status();
    costs = *std::move(measured_costs);
  }
  absl::StatusOr<Partition> partition =
      PartitionOf(record.spec(), costs.unit_costs, costs.stage_speeds);
  if (!partition.ok()) return partition.status();
  for (size_t i = 0; i < record.stages.size(); ++i) {
    *record.stages[i].status.mutable_chunks() =
        ChunksOfStage(*partition, static_cast<int>(i), static_cast<int>(record.stages.size()));
  }
  return partition->reason;
}

void Controller::Advance(JobRecord& record, absl::Time now) {
  if (!record.is_newer_at_workers.empty()) return;
  while (IsPlaced(record.job().state())) {
    if (FailIfDecided(record, now) || CompleteIfDone(record, now)) return;
    CommitIfComplete(record, now);
    if (!ChangeIfReady(record, now)) break;
  }
  if (IsPlaced(record.job().state())) SendCommands(record, now);
}

bool Controller::FailIfDecided(JobRecord& record, absl::Time now) {
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
  const bool is_conclusive = IsConclusive(record.failures);
  for (const StageRecord& stage : record.stages) {
    if (stage.is_attached || is_conclusive) continue;
    AddCause({FailureKind::kWorkerLost, stage.status.index(), stage.status.worker_name(),
              stage.status.error()},
             record.failures);
  }
  Recover(record, DecideRecovery(record.job(), record.failures, now), now);
  return true;
}

bool Controller::ChangeIfReady(JobRecord& record, absl::Time now) {
  const auto all = [&](auto claim) {
    return std::all_of(record.stages.begin(), record.stages.end(), claim);
  };
  switch (record.job().state()) {
    case v1::JOB_STATE_PLACING: {
      const bool is_measured = all([](const StageRecord& s) { return s.costs.has_value(); });
      if (NeedsMeasuring(record.spec()) && !is_measured) return false;
      const absl::StatusOr<std::string> divided = Divide(record);
      if (divided.ok()) {
        Change(record, JobTrigger::kPrepare, *divided, now);
      } else {
        Change(record, JobTrigger::kFail,
               absl::StrCat("the layers cannot be divided among ", record.stages.size(),
                            " stages: ", divided.status().message()),
               now);
      }
      return true;
    }
    case v1::JOB_STATE_PREPARING:
      if (!all([](const StageRecord& s) { return s.is_prepared; })) return false;
      Change(record, JobTrigger::kRun, "every stage is built and connected", now);
      if (record.job().is_pause_wanted()) {
        record.job().set_is_pause_wanted(false);
        Change(record, JobTrigger::kPause, "the pause that the failure interrupted is taken up",
               now);
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

void Controller::CommitIfComplete(JobRecord& record, absl::Time now) {
  const std::optional<v1::CommitCheckpoint> commit = NextCheckpoint(record);
  if (!commit) return;
  record.stored.pending_commit = commit->SerializeAsString();
  AddEvent(record, "CheckpointWritten",
           absl::StrCat("every stage has written its part of the checkpoint of update ",
                        commit->update(), ", ", commit->files_size(), " files; it is committed"),
           now);
  MarkChanged(record);
}

void Controller::SendCommands(JobRecord& record, absl::Time now) {
  std::vector<std::string> data_addresses;
  for (const StageRecord& stage : record.stages) {
    const WorkerRecord* worker = registry_.Find(stage.status.worker_id());
    data_addresses.push_back(worker == nullptr ? "" : worker->info.data_address());
  }
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    const WorkerRecord* worker = registry_.Find(record.stages[i].status.worker_id());
    if (worker == nullptr || !worker->is_connected()) continue;
    std::optional<v1::Command> command = NextCommand(record, i, options_.commands, data_addresses);
    if (!command) continue;
    if (command->has_hold_stage() && command->hold_stage().hold()) {
      record.stages[i].needs_resume = true;
    }
    record.stages[i].in_flight = SendCommand(*worker, *std::move(command), now);
  }
}

void Controller::ReleaseStages(JobRecord& record, absl::string_view reason, absl::Time now) {
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    StageRecord& stage = record.stages[i];
    stage.in_flight.reset();
    stage.parts.clear();
    stage.lost_deadline = absl::InfiniteFuture();
    const v1::StageState state = stage.status.state();
    if (state == v1::STAGE_STATE_PREPARING || state == v1::STAGE_STATE_READY ||
        state == v1::STAGE_STATE_RUNNING) {
      stage.status.set_state(v1::STAGE_STATE_STOPPED);
    }
    WorkerRecord* worker = registry_.Find(stage.status.worker_id());
    const v1::StageKey key = record.Key(i);
    if (worker == nullptr || !worker->holds || !IsSame(*worker->holds, key)) continue;
    worker->holds.reset();
    if (worker->is_connected()) Release(*worker, key, reason, now);
  }
  record.secret.clear();
}

void Controller::Requeue(JobRecord& record, absl::string_view reason, absl::Time now) {
  ReleaseStages(record, reason, now);
  record.stages.clear();
  Change(record, JobTrigger::kRequeue, reason, now);
}

}  // namespace paci
