// Pipelines that stand still, and updates that are poisoned.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/telemetry/poison.h"
#include "common/text/short_duration.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/diagnosis.h"

namespace paci {
namespace {

// Of one job since the coordinator started; then the stages' counts say the rest.
constexpr int kMostPoisonEvents = 50;
// A validation micro-batch or a checkpoint may take longer than what is usual between them.
constexpr int kBoundaryPatience = 10;

Movement MovementOf(const JobRecord& record) {
  Movement movement;
  for (const StageRecord& stage : record.stages) {
    const v1::StageStatus& status = stage.status;
    movement.passes += status.forwards() + status.backwards() + status.updates();
    movement.boundary_seconds +=
        status.activity().update() + status.activity().evaluate() + status.activity().checkpoint();
  }
  return movement;
}

// While it drains for a pause, until every stage is held.
bool IsToMove(const JobRecord& record) {
  const bool drains = record.job().state() == v1::JOB_STATE_PAUSING;
  const bool runs = drains || record.job().state() == v1::JOB_STATE_RUNNING;
  if (!runs || !record.failures.empty()) return false;
  const auto is_over = [&](const StageRecord& stage) {
    return stage.status.state() == v1::STAGE_STATE_FINISHED || (drains && stage.is_held);
  };
  const auto may_run = [&](const StageRecord& stage) {
    return stage.is_attached && stage.is_started && (drains || !stage.is_held);
  };
  return std::all_of(record.stages.begin(), record.stages.end(), may_run) &&
         !std::all_of(record.stages.begin(), record.stages.end(), is_over);
}

bool IsAtBoundary(const JobRecord& record) {
  return std::any_of(record.stages.begin(), record.stages.end(), [](const StageRecord& stage) {
    const v1::SpanKind kind = stage.status.now().kind();
    return kind == v1::SPAN_KIND_EVALUATE || kind == v1::SPAN_KIND_CHECKPOINT;
  });
}

// What of the poison that the stages tell of says the most: where one was made.
std::string PoisonOf(const JobRecord& record, uint32_t index) {
  for (const StageRecord& stage : record.stages) {
    const std::string& poison = stage.status.poison();
    const bool is_over = stage.status.skipped_in_a_row() == 0;
    if (is_over || poison.empty() || IsPoisonReceived(poison)) continue;
    return absl::StrCat("stage ", stage.status.index(), ", ", poison);
  }
  const std::string& poison = record.stages[index].status.poison();
  return absl::StrCat("stage ", index, ", ", poison.empty() ? "a gradient was not finite" : poison);
}

}  // namespace

v1::Diagnosis Controller::DiagnosisOf(const JobRecord& record, absl::Time now) const {
  JobSight job;
  job.spec = record.SpecOfGeneration();
  job.state = record.job().state();
  job.reason = record.job().reason();
  job.silent_after = std::max(3 * options_.report_interval, absl::Seconds(2));
  job.is_moving = record.movement.IsMoving(now, options_.report_interval);
  job.still_for = record.movement.StillFor(now);
  for (const StageRecord& stage : record.stages) {
    const bool is_known = stage.reported != absl::InfinitePast();
    job.stages.push_back(
        {stage.status, is_known ? now - stage.reported : absl::ZeroDuration(), stage.is_held});
  }
  return ::paci::Diagnose(job);
}

absl::StatusOr<v1::Diagnosis> Controller::Diagnose(const std::string& job_id,
                                                   absl::Time now) const {
  const auto it = jobs_.find(job_id);
  if (it == jobs_.end())
    return absl::NotFoundError(absl::StrCat("there is no job \"", job_id, "\""));
  return DiagnosisOf(it->second, now);
}

void Controller::FailIfStalled(JobRecord& record, absl::Time now) {
  if (!IsToMove(record)) return record.movement.Excuse();
  record.movement.Observe(now, record.job().generation(), MovementOf(record));
  if (record.job().state() != v1::JOB_STATE_RUNNING) return;
  const absl::Duration patience = absl::Seconds(record.spec().recovery().stall_seconds()) *
                                  (IsAtBoundary(record) ? kBoundaryPatience : 1);
  if (patience == absl::ZeroDuration() || !record.movement.IsStalled(now, patience)) return;
  const v1::Diagnosis diagnosis = DiagnosisOf(record, now);
  AddEvent(record, "Stalled",
           absl::StrCat("nothing moved for ", ShortDuration(record.movement.StillFor(now)), ": ",
                        diagnosis.summary()),
           now);
  record.movement.Excuse();
  if (!diagnosis.has_cause()) return;
  FailStage(record, diagnosis.cause(), FailureKind::kStalled,
            absl::StrCat("it ", diagnosis.stages(static_cast<int>(diagnosis.cause())).what()), now);
}

void Controller::NoteSkips(JobRecord& record, uint32_t index, const v1::StageStatus& before,
                           absl::Time now) {
  const v1::StageStatus& status = record.stages[index].status;
  const bool has_skipped = status.skipped_updates() > before.skipped_updates();
  const bool is_news = status.poison().empty() ? has_skipped && before.skipped_updates() == 0
                                               : status.poison() != before.poison() &&
                                                     !IsPoisonReceived(status.poison());
  if (is_news && record.poison_events < kMostPoisonEvents) {
    ++record.poison_events;
    AddEvent(record, "UpdateSkipped",
             absl::StrCat("stage ", index, " on worker ", status.worker_name(), ", ",
                          status.poison().empty() ? "a gradient was not finite" : status.poison(),
                          has_skipped ? "; it skipped the update, its weights are as before" : "",
                          record.poison_events < kMostPoisonEvents
                              ? ""
                              : "; what comes now is counted and is no event any more"),
             now);
  }
  PauseIfPoisoned(record, index, now);
}

void Controller::PauseIfPoisoned(JobRecord& record, uint32_t index, absl::Time now) {
  StageRecord& stage = record.stages[index];
  const uint64_t in_a_row = stage.status.skipped_in_a_row();
  const bool is_running = record.job().state() == v1::JOB_STATE_RUNNING;
  // Whoever resumes it gives it as many again.
  if (!is_running || in_a_row < stage.forgiven_skips) {
    stage.forgiven_skips = is_running ? 0 : in_a_row;
  }
  const uint32_t most = record.spec().recovery().max_skipped_updates();
  const uint64_t counted = in_a_row - stage.forgiven_skips;
  if (!is_running || most == 0 || counted <= most) return;
  Change(record, JobTrigger::kPause,
         absl::StrCat("stage ", index, " on worker ", stage.status.worker_name(), " skipped ",
                      counted, " updates in a row, and recovery.max_skipped_updates is ", most,
                      ": ", PoisonOf(record, index),
                      "; the pipeline drains to the end of an update, and goes on when it is "
                      "resumed"),
         now);
}

}  // namespace paci
