#include "coordinator/job/next_command.h"

#include <algorithm>

#include "common/config/best_checkpoint.h"
#include "coordinator/job/job_machine.h"
#include "coordinator/job/recovery.h"

namespace paci {
namespace {

v1::Command Measure(const JobRecord& record, uint32_t stage) {
  v1::Command command;
  *command.mutable_measure_layers()->mutable_key() = record.Key(stage);
  *command.mutable_measure_layers()->mutable_spec() = record.SpecOfGeneration();
  return command;
}

v1::Command Prepare(const JobRecord& record, uint32_t stage, const CommandDeadlines& deadlines,
                    const std::vector<DataEnd>& ends) {
  v1::Command command;
  v1::PrepareStage& prepare = *command.mutable_prepare_stage();
  *prepare.mutable_key() = record.Key(stage);
  *prepare.mutable_spec() = record.SpecOfGeneration();
  prepare.set_secret(record.secret);
  prepare.set_connect_seconds(absl::ToDoubleSeconds(deadlines.connect));
  if (const v1::Checkpoint* point = ResumePoint(record.job())) {
    *prepare.mutable_resume_from() = *point;
    prepare.set_first_update(point->update());
  }
  if (record.fast) {
    prepare.set_first_update(record.fast->first_update);
    prepare.set_inherits_generation(record.fast->generation);
  }
  for (size_t i = 0; i < record.stages.size(); ++i) {
    const v1::StageStatus& status = record.stages[i].status;
    v1::StageAssignment& assignment = *prepare.add_assignments();
    assignment.set_stage(static_cast<uint32_t>(i));
    *assignment.mutable_chunks() = status.chunks();
    assignment.set_worker_id(status.worker_id());
    assignment.set_data_address(ends[i].address);
    assignment.set_gpu_id(ends[i].gpu_id);
    if (record.fast) assignment.set_state(record.fast->sources[i]);
  }
  return command;
}

v1::Command Hold(const JobRecord& record, uint32_t stage, bool hold, uint64_t at_update) {
  v1::Command command;
  *command.mutable_hold_stage()->mutable_key() = record.Key(stage);
  command.mutable_hold_stage()->set_hold(hold);
  command.mutable_hold_stage()->set_at_update(at_update);
  return command;
}

// Of a stage that runs: start it, hold it or let it go on.
std::optional<v1::Command> WhileRunning(const JobRecord& record, uint32_t stage) {
  const StageRecord& s = record.stages[stage];
  if (!s.is_started) {
    v1::Command command;
    *command.mutable_start_stage()->mutable_key() = record.Key(stage);
    return command;
  }
  if (s.status.state() == v1::STAGE_STATE_FINISHED) return std::nullopt;
  if (record.job().state() == v1::JOB_STATE_RUNNING) {
    if (s.needs_resume) return Hold(record, stage, false, 0);
    return std::nullopt;
  }
  if (s.is_hold_confirmed) return std::nullopt;
  if (stage == 0) return Hold(record, stage, true, 0);
  if (record.held_at_update) return Hold(record, stage, true, *record.held_at_update);
  return std::nullopt;
}

}  // namespace

bool NeedsMeasuring(const v1::JobSpec& spec) {
  return spec.pipeline().stages() > 1 && spec.pipeline().partition().empty() &&
         spec.pipeline().partition_by() == v1::PARTITION_BY_MEASURED && !spec.has_emulation();
}

std::optional<v1::Command> NextCommand(const JobRecord& record, uint32_t stage,
                                       const CommandDeadlines& deadlines,
                                       const std::vector<DataEnd>& ends) {
  const StageRecord& s = record.stages[stage];
  if (!s.is_attached || s.in_flight || s.status.state() == v1::STAGE_STATE_FAILED) {
    return std::nullopt;
  }
  switch (record.job().state()) {
    case v1::JOB_STATE_PLACING:
      if (s.costs || !NeedsMeasuring(record.SpecOfGeneration())) return std::nullopt;
      return Measure(record, stage);
    case v1::JOB_STATE_PREPARING:
      if (s.is_prepared) return std::nullopt;
      return Prepare(record, stage, deadlines, ends);
    case v1::JOB_STATE_RUNNING:
    case v1::JOB_STATE_PAUSING:
    case v1::JOB_STATE_PAUSED:
      if (stage == 0 && s.is_started && !record.stored.pending_commit.empty()) {
        v1::Command command;
        command.mutable_commit_checkpoint()->ParseFromString(record.stored.pending_commit);
        return command;
      }
      return WhileRunning(record, stage);
    default:
      return std::nullopt;
  }
}

std::optional<ReportedCheckpoint> NextCheckpoint(const JobRecord& record) {
  if (record.stages.empty() || !record.stored.pending_commit.empty()) return std::nullopt;
  for (const auto& [update, part] : record.stages[0].parts) {
    const bool is_complete =
        std::all_of(record.stages.begin(), record.stages.end(),
                    [update = update](const StageRecord& s) { return s.parts.count(update) > 0; });
    if (!is_complete) continue;
    ReportedCheckpoint reported;
    *reported.commit.mutable_key() = record.Key(0);
    reported.commit.set_update(update);
    const bool keeps_best = record.spec().checkpoint().keep_best();
    const v1::Checkpoint* best = keeps_best ? BestCheckpoint(record.job()) : nullptr;
    if (best != nullptr) *reported.commit.mutable_best() = *best;
    for (uint32_t i = 0; i < record.stages.size(); ++i) {
      const v1::CheckpointPart& of_stage = record.stages[i].parts.at(update);
      if (!of_stage.error().empty() && !reported.failed_stage) reported.failed_stage = i;
      reported.commit.mutable_files()->MergeFrom(of_stage.files());
      if (of_stage.has_drift()) {
        reported.commit.set_drift(std::max(reported.commit.drift(), of_stage.drift()));
      }
      if (of_stage.has_validation_loss()) {
        reported.commit.set_validation_loss(of_stage.validation_loss());
      }
    }
    return reported;
  }
  return std::nullopt;
}

absl::Duration DeadlineOf(const v1::Command& command, const CommandDeadlines& deadlines) {
  switch (command.command_case()) {
    case v1::Command::kMeasureLayers:
      return deadlines.measure;
    case v1::Command::kPrepareStage:
      return deadlines.prepare;
    case v1::Command::kStartStage:
      return deadlines.start;
    case v1::Command::kHoldStage:
      return deadlines.hold;
    case v1::Command::kCommitCheckpoint:
      return deadlines.commit;
    default:
      return deadlines.release;
  }
}

absl::string_view NameOf(const v1::Command& command) {
  switch (command.command_case()) {
    case v1::Command::kMeasureLayers:
      return "MeasureLayers";
    case v1::Command::kPrepareStage:
      return "PrepareStage";
    case v1::Command::kStartStage:
      return "StartStage";
    case v1::Command::kHoldStage:
      return "HoldStage";
    case v1::Command::kReleaseStage:
      return "ReleaseStage";
    case v1::Command::kCommitCheckpoint:
      return "CommitCheckpoint";
    case v1::Command::kGenerateText:
      return "GenerateText";
    case v1::Command::kStopStage:
      return "StopStage";
    case v1::Command::kLeave:
      return "Leave";
    case v1::Command::kSyncClock:
      return "SyncClock";
    case v1::Command::kTraceStage:
      return "TraceStage";
    case v1::Command::COMMAND_NOT_SET:
      return "no command";
  }
  return "?";
}

}  // namespace paci
