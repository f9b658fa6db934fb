// Answers to commands, and answers that do not come.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/config/best_checkpoint.h"
#include "common/config/checkpoint_directory.h"
#include "common/rpc/status.h"
#include "common/rpc/timestamp.h"
#include "common/text/short_duration.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/cut_text.h"

namespace paci {
namespace {

v1::Checkpoint CheckpointOf(const JobRecord& record, const v1::CommitCheckpoint& commit,
                            absl::Time now) {
  v1::Checkpoint checkpoint;
  checkpoint.set_directory(CheckpointDirectory(record.spec(), record.job().id(),
                                               {commit.update(), record.job().generation()}));
  checkpoint.set_update(commit.update());
  checkpoint.set_generation(record.job().generation());
  for (const v1::CheckpointFile& file : commit.files()) {
    checkpoint.set_size_bytes(checkpoint.size_bytes() + file.size_bytes());
  }
  if (commit.has_validation_loss()) checkpoint.set_validation_loss(commit.validation_loss());
  if (commit.has_drift()) checkpoint.set_drift(commit.drift());
  checkpoint.set_micro_batch_split(record.job().micro_batch_split());
  *checkpoint.mutable_committed() = ToTimestamp(now);
  return checkpoint;
}

// Those that retention.h leaves: the newest, and the best.
void ForgetRemoved(v1::Job& job) {
  auto& kept = *job.mutable_checkpoints();
  const int keep = static_cast<int>(std::max(job.spec().checkpoint().keep(), 1u));
  if (kept.size() <= keep) return;
  const auto newest = kept.end() - keep;
  const v1::Checkpoint* best = job.spec().checkpoint().keep_best() ? BestCheckpoint(job) : nullptr;
  kept.erase(std::remove_if(kept.begin(), newest, [&](const auto& c) { return &c != best; }),
             newest);
}

}  // namespace

void Controller::OnResult(WorkerRecord& worker, const v1::CommandResult& result, absl::Time now) {
  if (EndGeneration(worker, result)) return;
  if (tracing_.OnResult(worker.id, result, now, SenderOfTraces(now))) return;
  if (worker.release_in_flight && worker.release_in_flight->id == result.id()) {
    if (result.code() != 0) {
      // FAILED_PRECONDITION: it holds another stage or none, so this one is forgotten.
      Note(LogLevel::kInfo, absl::StrCat("ReleaseStage: ", result.message()),
           worker.releasing->job_id(), worker.name);
    }
    worker.release_in_flight.reset();
    worker.releasing.reset();
    return;
  }
  if (worker.holds) {
    JobRecord& record = jobs_.at(worker.holds->job_id());
    const uint32_t index = worker.holds->stage();
    const auto& in_flight = record.stages[index].in_flight;
    if (in_flight && in_flight->id == result.id()) {
      OnStageResult(record, index, result, now);
      return Advance(record, now);
    }
  }
  Note(LogLevel::kDebug, absl::StrCat("nobody waits for the result of command ", result.id()), "",
       worker.name);
}

void Controller::OnStageResult(JobRecord& record, uint32_t index, const v1::CommandResult& result,
                               absl::Time now) {
  StageRecord& stage = record.stages[index];
  const v1::Command command = std::move(stage.in_flight->command);
  stage.in_flight.reset();
  if (command.has_hold_stage()) {
    return OnHoldResult(record, index, command.hold_stage().hold(), result, now);
  }
  if (command.has_commit_checkpoint()) {
    return OnCommitResult(record, command.commit_checkpoint(), result, now);
  }
  if (result.code() != 0) {
    const std::string error = StatusFromCode(result.code(), result.message()).ToString();
    return FailStage(record, index, ClassifyError(error), error, now);
  }
  switch (command.command_case()) {
    case v1::Command::kMeasureLayers:
      stage.costs = result.layer_costs();
      break;
    case v1::Command::kPrepareStage:
      stage.is_prepared = true;
      stage.status.set_state(v1::STAGE_STATE_READY);
      break;
    default:
      stage.is_started = true;
      break;
  }
  MarkChanged(record);
}

void Controller::OnHoldResult(JobRecord& record, uint32_t index, bool hold,
                              const v1::CommandResult& result, absl::Time now) {
  StageRecord& stage = record.stages[index];
  if (result.code() != 0) {
    const std::string error = StatusFromCode(result.code(), result.message()).ToString();
    if (record.job().state() == v1::JOB_STATE_PAUSING) {
      return Change(record, JobTrigger::kAbandonPause,
                    absl::StrCat("stage ", index, " on worker ", stage.status.worker_name(),
                                 " cannot be held: ", error),
                    now);
    }
    return FailStage(record, index, FailureKind::kOwnError,
                     absl::StrCat("it cannot be ", hold ? "held" : "resumed", ": ", error), now);
  }
  if (!hold) {
    stage.needs_resume = false;
    stage.is_held = false;
    return;
  }
  if (record.job().state() == v1::JOB_STATE_RUNNING) return;  // resumed before it was held
  stage.is_hold_confirmed = true;
  if (index == 0) record.held_at_update = result.held_at_update();
}

void Controller::OnCommitResult(JobRecord& record, const v1::CommitCheckpoint& commit,
                                const v1::CommandResult& result, absl::Time now) {
  record.stored.pending_commit.clear();
  SettleCheckpoint(record, commit.update());
  if (result.code() == 0) {
    *record.job().add_checkpoints() = CheckpointOf(record, commit, now);
    ForgetRemoved(record.job());
    record.job().set_checkpoint(record.job().checkpoints().rbegin()->directory());
    record.has_new_checkpoint = true;
    return AddEvent(record, "CheckpointCommitted",
                    absl::StrCat("the checkpoint of update ", commit.update(),
                                 " is complete: ", record.job().checkpoint()),
                    now);
  }
  const std::string why = absl::StrCat(
      "the checkpoint of update ", commit.update(),
      " cannot be committed: ", StatusFromCode(result.code(), result.message()).ToString());
  AddEvent(record, "CheckpointFailed", why, now);
  if (commit.update() >= record.spec().train().updates()) {
    FailStage(record, 0, FailureKind::kOwnError, why, now);
  }
}

void Controller::SettleCheckpoint(JobRecord& record, uint64_t update) {
  for (StageRecord& stage : record.stages) {
    stage.parts.erase(stage.parts.begin(), stage.parts.upper_bound(update));
  }
  record.stored.settled_update = std::max(record.stored.settled_update, update);
  MarkChanged(record);
}

void Controller::FailStage(JobRecord& record, uint32_t index, FailureKind kind,
                           absl::string_view what, absl::Time now) {
  // While it recovers, its stages are nobody's.
  if (record.job().state() == v1::JOB_STATE_RECOVERING) return;
  StageRecord& stage = record.stages[index];
  const bool is_news = std::none_of(record.failures.begin(), record.failures.end(),
                                    [&](const FailureCause& c) { return c.stage == index; });
  AddCause({kind, index, stage.status.worker_name(), std::string(what)}, record.failures);
  record.failing_since = std::min(record.failing_since, now);
  if (stage.status.state() != v1::STAGE_STATE_LOST) {
    stage.status.set_state(v1::STAGE_STATE_FAILED);
  }
  stage.status.set_error(CutText(what));
  MarkChanged(record);
  if (is_news) AddEvent(record, "StageFailed", DescribeFailure({record.failures.back()}), now);
}

void Controller::LoseForGood(JobRecord& record, uint32_t index, absl::string_view why,
                             absl::Time now) {
  StageRecord& stage = record.stages[index];
  stage.lost_deadline = absl::InfiniteFuture();
  stage.is_awaited = false;
  FailStage(record, index, FailureKind::kWorkerLost, absl::StrCat(stage.status.error(), "; ", why),
            now);
}

void Controller::ExpireStages(JobRecord& record, absl::Time now) {
  for (uint32_t i = 0; i < record.stages.size(); ++i) {
    StageRecord& stage = record.stages[i];
    if (!stage.is_attached && now >= stage.lost_deadline) {
      LoseForGood(record, i, "it did not come back in time", now);
    }
    if (!stage.in_flight || now < stage.in_flight->deadline) continue;
    const v1::Command command = std::move(stage.in_flight->command);
    stage.in_flight.reset();
    const std::string what = absl::StrCat("it did not answer ", NameOf(command), " within ",
                                          ShortDuration(DeadlineOf(command, options_.commands)));
    if (command.has_hold_stage() || command.has_commit_checkpoint()) {
      Note(LogLevel::kWarning, absl::StrCat(what, "; it is asked again"), record.job().id(),
           stage.status.worker_name());
    } else {
      FailStage(record, i, FailureKind::kOwnError, what, now);
    }
  }
}

namespace {

constexpr int kMaxPromptTokens = 65536;

absl::Status CheckSampling(const v1::GenerateRequest& request) {
  if (request.max_tokens() < 1 || request.max_tokens() > 4096) {
    return absl::InvalidArgumentError(absl::StrCat(
        request.max_tokens(), " tokens are not possible; expected 1..4096 (--max-tokens)"));
  }
  if (!std::isfinite(request.temperature()) || request.temperature() < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a temperature of ", request.temperature(),
                     " is not possible; expected a finite number >= 0 (--temperature)"));
  }
  if (!(request.top_p() >= 0 && request.top_p() <= 1)) {
    return absl::InvalidArgumentError(absl::StrCat("a share of ", request.top_p(),
                                                   " is not possible; expected 0 to 1 (--top-p)"));
  }
  return absl::OkStatus();
}

absl::Status CheckPrompt(const JobRecord& record, const v1::GenerateRequest& request) {
  const auto& tokens = request.prompt_tokens();
  if (tokens.empty() && record.spec().data().tokenizer() != v1::TOKENIZER_BYTES) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", request.job_id(),
        " was trained on token ids that its tokenizer does not turn into text; expected the prompt "
        "as ids (--prompt-tokens), as ./run data encodes it"));
  }
  if (tokens.size() > kMaxPromptTokens) {
    return absl::InvalidArgumentError(absl::StrCat("a prompt of ", tokens.size(),
                                                   " ids is too long; expected at most ",
                                                   kMaxPromptTokens, " (--prompt-tokens)"));
  }
  const uint32_t vocabulary = record.spec().model().vocabulary();
  for (const uint32_t token : tokens) {
    if (token < vocabulary) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "the prompt has the id ", token, "; expected 0..", vocabulary - 1, " (--prompt-tokens)"));
  }
  return absl::OkStatus();
}

absl::Status NoBestCheckpoint(const v1::Job& job) {
  return absl::FailedPreconditionError(absl::StrCat(
      "job ", job.id(),
      " has no checkpoint with a validation loss; expected one after "
      "an update that is validated (train.eval_every, checkpoint.every), or the newest "
      "checkpoint (without --best)"));
}

}  // namespace

absl::Status Controller::Generate(GenerateTicket ticket, const v1::GenerateRequest& request,
                                  absl::Time deadline, absl::Time now) {
  const absl::StatusOr<JobRecord*> found = Find(request.job_id());
  if (!found.ok()) return found.status();
  const JobRecord& record = **found;
  if (absl::Status valid = CheckSampling(request); !valid.ok()) return valid;
  if (absl::Status valid = CheckPrompt(record, request); !valid.ok()) return valid;
  if (record.job().checkpoint().empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("job ", request.job_id(), " is ", ToString(record.job().state()),
                     " and has no complete checkpoint to generate from"));
  }
  const v1::Checkpoint* best = request.from_best() ? BestCheckpoint(record.job()) : nullptr;
  if (request.from_best() && best == nullptr) return NoBestCheckpoint(record.job());
  if (generations_.size() >= options_.max_generations) {
    return absl::ResourceExhaustedError(
        absl::StrCat(generations_.size(), " calls of Generate wait already"));
  }
  const WorkerRecord* chosen = nullptr;
  const auto rank = [&](const WorkerRecord& worker) {
    const bool is_same_device = worker.info.device() == record.spec().train().device();
    return (worker.is_free() ? 0 : 2) + (is_same_device ? 0 : 1);
  };
  for (const auto& [id, worker] : registry_.workers()) {
    if (!worker.is_connected() || worker.is_leaving) continue;
    if (chosen == nullptr || rank(worker) < rank(*chosen)) chosen = &worker;
  }
  if (chosen == nullptr) {
    return absl::UnavailableError("no worker is connected that could generate");
  }
  v1::Command command;
  v1::GenerateText& generate = *command.mutable_generate_text();
  *generate.mutable_spec() = record.spec();
  generate.set_checkpoint(best == nullptr ? record.job().checkpoint() : best->directory());
  *generate.mutable_request() = request;
  CommandInFlight in_flight = SendCommand(*chosen, std::move(command), now);
  in_flight.deadline = deadline;
  generations_.push_back({std::move(in_flight), ticket, chosen->id});
  return absl::OkStatus();
}

bool Controller::EndGeneration(const WorkerRecord& worker, const v1::CommandResult& result) {
  const auto it = std::find_if(generations_.begin(), generations_.end(), [&](const Generation& g) {
    return g.command.id == result.id() && g.worker_id == worker.id;
  });
  if (it == generations_.end()) return false;
  absl::StatusOr<v1::GenerateResponse> response = result.generated();
  if (result.code() != 0) response = StatusFromCode(result.code(), result.message());
  effects_.generated.push_back({it->ticket, std::move(response)});
  generations_.erase(it);
  return true;
}

void Controller::EndGenerations(const WorkerRecord& worker, absl::string_view why) {
  for (const Generation& generation : generations_) {
    if (generation.worker_id != worker.id) continue;
    effects_.generated.push_back(
        {generation.ticket, absl::UnavailableError(absl::StrCat(
                                "worker ", worker.name, " was lost while it generated: ", why))});
  }
  generations_.erase(std::remove_if(generations_.begin(), generations_.end(),
                                    [&](const Generation& g) { return g.worker_id == worker.id; }),
                     generations_.end());
}

void Controller::ExpireGenerations(absl::Time now) {
  const auto is_late = [now](const Generation& g) { return now >= g.command.deadline; };
  for (const Generation& generation : generations_) {
    if (!is_late(generation)) continue;
    effects_.generated.push_back(
        {generation.ticket, absl::DeadlineExceededError("the worker did not generate in time")});
  }
  generations_.erase(std::remove_if(generations_.begin(), generations_.end(), is_late),
                     generations_.end());
}

}  // namespace paci
