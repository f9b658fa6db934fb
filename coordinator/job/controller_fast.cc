// recovery.mode fast: the stages that did not fail keep their weights.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "coordinator/job/controller.h"

namespace paci {
namespace {

// It runs no more, and its worker holds what it was.
bool HasStopped(const StageRecord& stage) {
  const v1::StageState state = stage.status.state();
  return stage.is_attached &&
         (state == v1::STAGE_STATE_FAILED || state == v1::STAGE_STATE_STOPPED ||
          state == v1::STAGE_STATE_FINISHED);
}

}  // namespace

bool Controller::AwaitSurvivors(JobRecord& record, absl::Time now) {
  if (now >= record.failing_since + options_.failure_grace) return false;
  bool is_awaited = false;
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    StageRecord& stage = record.stages[i];
    if (!stage.is_attached || HasStopped(stage)) continue;
    is_awaited = true;
    const WorkerRecord* worker = HolderOf(record, i);
    if (stage.is_told_to_stop || worker == nullptr) continue;
    v1::Command command;
    *command.mutable_stop_stage()->mutable_key() = record.Key(i);
    command.mutable_stop_stage()->set_reason("another stage failed");
    SendCommand(*worker, std::move(command), now);
    stage.is_told_to_stop = true;
  }
  return is_awaited;
}

std::vector<StageRemains> Controller::RemainsOf(const JobRecord& record) {
  std::vector<StageRemains> all;
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    const StageRecord& stage = record.stages[i];
    const WorkerRecord* worker = HolderOf(record, i);
    const bool failed =
        std::any_of(record.failures.begin(), record.failures.end(), [&](const FailureCause& cause) {
          return cause.stage == i && cause.kind != FailureKind::kConsequence;
        });
    StageRemains& remains = all.emplace_back();
    remains.is_whole = HasStopped(stage) && !failed && worker != nullptr && !worker->is_leaving;
    remains.updates = stage.status.updates();
    if (stage.status.has_copy_update()) remains.copy_update = stage.status.copy_update();
  }
  return all;
}

void Controller::KeepSurvivors(JobRecord& record, const FastRestart& fast, absl::string_view reason,
                               absl::Time now) {
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    if (fast.sources[i] != v1::STATE_SOURCE_OWN) ReleaseStage(record, i, reason, now);
    // It goes on from memory: a checkpoint that its worker may commit now would be ahead of that.
    record.stages[i].in_flight.reset();
  }
  record.secret.clear();
  ForgetAfter(record, fast.first_update);
  record.fast = fast;
  BeginWaiting(record, record.StageCount(), now);
}

bool Controller::GoOnFast(JobRecord& record, const std::vector<WorkerRecord*>& free,
                          absl::Time now) {
  std::vector<WorkerRecord*> workers = free;
  std::string why_not;
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    if (record.fast->sources[i] != v1::STATE_SOURCE_OWN) continue;
    WorkerRecord* worker = HolderOf(record, i);
    if (worker == nullptr || !worker->is_connected() || worker->is_leaving) {
      why_not = absl::StrCat("stage ", i, " on worker ", record.stages[i].status.worker_name(),
                             " is gone too");
    } else {
      workers.push_back(worker);
    }
  }
  const bool is_late = now >= record.replacement_deadline;
  if (WantedStages(record.job()) != record.StageCount()) why_not = "it was rescaled";
  if (is_late && workers.size() < record.stages.size()) why_not = "no worker came for it in time";
  if (why_not.empty()) {
    if (workers.size() < record.stages.size()) return true;
    PlaceAgain(record, workers, {PlacingDecision::Kind::kGoOn, record.StageCount(), /*reason=*/""},
               now);
    return true;
  }
  const std::string reason =
      absl::StrCat(why_not, "; every stage goes back to ", PlaceToRestart(record.job()));
  AddEvent(record, "FastRestartGivenUp", reason, now);
  GoBack(record, reason, record.StageCount(), now);
  // It has waited long enough; its workers are to let go of their stages.
  if (is_late) record.replacement_deadline = now + options_.lease;
  MarkChanged(record);
  return true;
}

}  // namespace paci
