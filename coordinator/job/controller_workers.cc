// What workers say, and what their silence means.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/text/short_duration.h"
#include "coordinator/job/controller.h"
#include "coordinator/job/cut_text.h"
#include "coordinator/job/older_store.h"

namespace paci {
namespace {

constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxInfoBytes = 1024;

// A report with fewer points says that nothing is left to report (worker.proto).
constexpr int kFullReportPoints = 4096;

absl::Status CheckHello(const v1::Hello& hello) {
  for (const std::string* field : {&hello.worker_id(), &hello.worker_name()}) {
    if (field->empty() || field->size() > kMaxNameBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Hello needs a worker_id and a worker_name of 1..", kMaxNameBytes, " bytes each"));
    }
  }
  if (hello.info().ByteSizeLong() > kMaxInfoBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the info of Hello has ",
                                                   hello.info().ByteSizeLong(),
                                                   " bytes; expected at most ", kMaxInfoBytes));
  }
  return absl::OkStatus();
}

}  // namespace

void Controller::OnHello(StreamId stream, const v1::Hello& hello, absl::Time now) {
  if (absl::Status valid = CheckHello(hello); !valid.ok()) {
    effects_.closed.push_back({stream, std::move(valid)});
    return;
  }
  WorkerRecord* known = registry_.Find(hello.worker_id());
  if (known == nullptr && registry_.workers().size() >= options_.max_workers) {
    effects_.closed.push_back(
        {stream, absl::ResourceExhaustedError(absl::StrCat(
                     "the coordinator knows ", options_.max_workers, " workers already"))});
    return;
  }
  if (hello.has_running() && !RefuseNewer(stream, hello.running().key(), now).ok()) return;
  if (known != nullptr && known->is_connected()) {
    effects_.closed.push_back(
        {known->stream, absl::AbortedError("the worker connected again on another stream")});
    EndGenerations(*known, "its control stream was replaced");
    tracing_.OnWorkerLost(known->id, "its control stream was replaced", now, SenderOfTraces(now));
  }
  if (known == nullptr) EndPredecessors(hello, now);
  WorkerRecord& worker = registry_.Connect(stream, hello, now);
  Note(LogLevel::kInfo, "the worker connected", "", worker.name);
  Reattach(worker, hello, now);
  Settle(now);
}

void Controller::EndPredecessors(const v1::Hello& hello, absl::Time now) {
  std::vector<v1::StageKey> lost;
  for (const auto& [id, worker] : registry_.workers()) {
    const bool is_same_place =
        worker.name == hello.worker_name() && worker.info.host() == hello.info().host();
    if (is_same_place && !worker.is_connected() && worker.holds) lost.push_back(*worker.holds);
  }
  for (const v1::StageKey& key : lost) {
    JobRecord& record = jobs_.at(key.job_id());
    // The first may have taken the job from the others.
    const bool is_held = IsSame(record.Key(key.stage()), key) && IsPlaced(record.job().state()) &&
                         record.job().state() != v1::JOB_STATE_RECOVERING;
    if (!is_held || record.is_left_alone()) continue;
    LoseForGood(record, key.stage(), "another process has its name now", now);
    Advance(record, now);
  }
}

absl::Status Controller::RefuseNewer(StreamId stream, const v1::StageKey& key, absl::Time now) {
  const auto found = jobs_.find(key.job_id());
  JobRecord* const record = found == jobs_.end() ? nullptr : &found->second;
  const auto refused = refused_jobs_.find(key.job_id());
  absl::Status known =
      refused != refused_jobs_.end()
          ? refused->second
          : CheckStoreKnows(key, record == nullptr ? nullptr : &record->job(), next_job_number_);
  if (known.ok()) return known;
  effects_.closed.push_back({stream, known});
  Note(LogLevel::kError, std::string(known.message()), key.job_id());
  if (record == nullptr) {
    refused_jobs_.emplace(key.job_id(), known);
    // No new job is to have its id, and its folder of checkpoints.
    next_job_number_ = std::max(next_job_number_, NumberOfJob(key.job_id()) + 1);
  } else if (!record->is_left_alone()) {
    record->newer_at_workers = CutText(known.message());
    record->job().set_reason(record->newer_at_workers);
    AddEvent(*record, "StoreIsOlder", known.message(), now);
    MarkChanged(*record);
  }
  return known;
}

std::optional<v1::StageKey> Controller::AssignmentOf(const WorkerRecord& worker) const {
  for (const auto& [id, record] : jobs_) {
    // While it recovers, its stages are nobody's.
    const v1::JobState state = record.job().state();
    if (!IsPlaced(state) || state == v1::JOB_STATE_RECOVERING) continue;
    for (uint32_t i = 0; i < record.stages.size(); ++i) {
      if (record.stages[i].status.worker_id() == worker.id) return record.Key(i);
    }
  }
  return std::nullopt;
}

// Greets the worker and settles whose the stage is that it says it holds.
void Controller::Reattach(WorkerRecord& worker, const v1::Hello& hello, absl::Time now) {
  worker.holds = AssignmentOf(worker);
  worker.releasing.reset();
  v1::Welcome& welcome = *Send(worker.stream).mutable_welcome();
  welcome.set_lease_seconds(absl::ToDoubleSeconds(options_.lease));
  welcome.set_report_interval_seconds(absl::ToDoubleSeconds(options_.report_interval));
  const bool is_foreign =
      hello.has_running() && !(worker.holds && IsSame(*worker.holds, hello.running().key()));
  welcome.set_release_stage(is_foreign);
  if (is_foreign) {
    Note(LogLevel::kInfo,
         absl::StrCat("the worker came with ", ToString(hello.running().key()),
                      ", which is nobody's any more"),
         hello.running().key().job_id(), worker.name);
    // It is not free before it says that the stage is gone: its thread may hang.
    Release(worker, hello.running().key(), "the stage is nobody's any more", now);
  }
  if (worker.holds) WelcomeBack(worker, *worker.holds, hello, now);
}

void Controller::WelcomeBack(WorkerRecord& worker, const v1::StageKey& key, const v1::Hello& hello,
                             absl::Time now) {
  JobRecord& record = jobs_.at(key.job_id());
  StageRecord& stage = record.stages[key.stage()];
  const bool was_lost = stage.status.state() == v1::STAGE_STATE_LOST;
  stage.in_flight.reset();
  stage.is_hold_confirmed = false;
  stage.is_attached = true;
  stage.is_awaited = false;
  stage.lost_deadline = absl::InfiniteFuture();
  if (hello.has_running() && IsSame(key, hello.running().key())) {
    ApplyReport(record, hello.running(), now);
    if (was_lost) {
      AddEvent(record, "StageReadopted",
               absl::StrCat("worker ", worker.name, " came back with stage ", key.stage(),
                            " at update ", stage.status.updates()),
               now);
    }
  } else if (stage.is_prepared) {
    FailStage(record, key.stage(), FailureKind::kWorkerLost, "it came back without its stage", now);
  } else {
    stage.status.set_state(v1::STAGE_STATE_PREPARING);
    stage.status.clear_error();
  }
  MarkChanged(record);
  Advance(record, now);
}

void Controller::OnMessage(StreamId stream, const v1::WorkerMessage& message, absl::Time now) {
  WorkerRecord* worker = registry_.FindByStream(stream);
  if (worker == nullptr) {
    if (message.has_hello()) return OnHello(stream, message.hello(), now);
    effects_.closed.push_back(
        {stream, absl::FailedPreconditionError("a stream begins with Hello, said once")});
    return;
  }
  worker->last_seen = now;
  switch (message.message_case()) {
    case v1::WorkerMessage::kHello:
      effects_.closed.push_back(
          {stream, absl::InvalidArgumentError("Hello was said twice on one stream")});
      Lose(*worker, "it said Hello twice on one stream", now);
      break;
    case v1::WorkerMessage::kReport:
      OnReport(*worker, message.report(), now);
      break;
    case v1::WorkerMessage::kResult:
      OnResult(*worker, message.result(), now);
      break;
    case v1::WorkerMessage::kTrace:
      tracing_.OnPart(worker->id, message.trace());
      break;
    case v1::WorkerMessage::kLeaving:
      OnLeaving(*worker, message.leaving(), now);
      break;
    case v1::WorkerMessage::kHeartbeat:
      break;
    case v1::WorkerMessage::MESSAGE_NOT_SET:
      Note(LogLevel::kWarning, "the worker sent a message that this version does not know", "",
           worker->name);
      break;
  }
  Settle(now);
}

void Controller::OnReport(WorkerRecord& worker, const v1::StageReport& report, absl::Time now) {
  const StreamId stream = worker.stream;
  if (absl::Status known = RefuseNewer(stream, report.key(), now); !known.ok()) {
    return Lose(worker, known.message(), now);
  }
  if (worker.releasing && IsSame(*worker.releasing, report.key())) return;
  if (!worker.holds || !IsSame(*worker.holds, report.key())) {
    Note(LogLevel::kInfo,
         absl::StrCat("a report of ", ToString(report.key()), " changes nothing: the worker holds ",
                      worker.holds ? ToString(*worker.holds) : "no stage"),
         report.key().job_id(), worker.name);
    if (!worker.holds && !worker.releasing) {
      Release(worker, report.key(), "the stage is nobody's any more", now);
    }
    return;
  }
  JobRecord& record = jobs_.at(report.key().job_id());
  ApplyReport(record, report, now);
  v1::ReportAck& ack = *Send(worker.stream).mutable_ack();
  *ack.mutable_key() = report.key();
  ack.set_sequence(report.sequence());
  ack.set_settled_update(record.stored.settled_update);
  Advance(record, now);
}

void Controller::ApplyReport(JobRecord& record, const v1::StageReport& report, absl::Time now) {
  const uint32_t index = report.key().stage();
  StageRecord& stage = record.stages[index];
  if (report.sequence() <= stage.report_sequence) return;
  stage.report_sequence = report.sequence();
  stage.reported = now;

  const v1::StageStatus assigned = stage.status;
  stage.status = report.status();
  CutTexts(stage.status);
  stage.status.set_index(index);
  stage.status.set_worker_id(assigned.worker_id());
  stage.status.set_worker_name(assigned.worker_name());
  *stage.status.mutable_chunks() = assigned.chunks();
  stage.is_held = report.held();
  const v1::StageState state = report.status().state();
  stage.is_prepared = stage.is_prepared || state == v1::STAGE_STATE_READY ||
                      state == v1::STAGE_STATE_RUNNING || state == v1::STAGE_STATE_FINISHED;
  // READY after a start of the coordinator: the StartStage was lost with it.
  stage.is_started = state == v1::STAGE_STATE_RUNNING || state == v1::STAGE_STATE_FINISHED ||
                     (stage.is_started && state != v1::STAGE_STATE_READY);
  stage.needs_resume = stage.needs_resume || report.held();
  stage.has_all_points =
      state == v1::STAGE_STATE_FINISHED && report.points_size() < kFullReportPoints;

  for (const v1::MetricPoint& point : report.points()) {
    effects_.writes.points.push_back({record.job().id(), point});
    UpdateProgress(point, *record.job().mutable_progress());
  }
  for (const v1::CheckpointPart& part : report.checkpoints()) {
    if (part.update() > record.stored.settled_update) stage.parts[part.update()] = part;
  }
  NoteSkips(record, index, assigned, now);
  UpdateProgress(record, now);
  MarkChanged(record);
  CompareData(record, now);
  if (state == v1::STAGE_STATE_FAILED) {
    FailStage(record, index, ClassifyError(stage.status.error()), stage.status.error(), now);
  } else if (state == v1::STAGE_STATE_STOPPED && stage.is_told_to_stop) {
    FailStage(record, index, FailureKind::kConsequence, stage.status.error(), now);
  } else if (state == v1::STAGE_STATE_STOPPED) {
    FailStage(record, index, FailureKind::kWorkerLost,
              absl::StrCat("its worker stopped it: ", stage.status.error()), now);
  }
}

void Controller::OnLeaving(WorkerRecord& worker, const v1::Leaving& leaving, absl::Time now) {
  worker.is_leaving = worker.knows_it_leaves = true;
  worker.leaving_reason = CutText(leaving.reason());
  Note(LogLevel::kInfo, absl::StrCat("the worker leaves: ", worker.leaving_reason), "",
       worker.name);
  if (!worker.holds) return;
  JobRecord& record = jobs_.at(worker.holds->job_id());
  if (record.is_left_alone()) return;
  // A leaving worker takes no new stage, so a stage that is not prepared never will be.
  if (record.stages[worker.holds->stage()].is_prepared) return;
  Requeue(record,
          absl::StrCat("worker ", worker.name,
                       " leaves before its stage is prepared: ", worker.leaving_reason),
          now);
}

absl::StatusOr<v1::Worker> Controller::Drain(const std::string& worker, absl::Time now) {
  const absl::StatusOr<WorkerRecord*> found = registry_.FindByIdOrName(worker);
  if (!found.ok()) return found.status();
  if (!(*found)->is_leaving) {
    (*found)->is_leaving = true;
    (*found)->leaving_reason = "a user drains the worker";
    Note(LogLevel::kInfo, "a user drains the worker", "", (*found)->name);
  }
  Settle(now);
  return ToProto(**found);
}

// Tells idle workers that are to leave that they may.
void Controller::LetGo(absl::Time now) {
  for (auto& [id, worker] : registry_.workers()) {
    const bool is_idle = worker.is_connected() && !worker.holds && !worker.releasing;
    if (!is_idle || !worker.is_leaving || worker.knows_it_leaves) continue;
    v1::Command command;
    command.mutable_leave()->set_reason(worker.leaving_reason);
    SendCommand(worker, std::move(command), now);
    worker.knows_it_leaves = true;
  }
}

void Controller::OnStreamLost(StreamId stream, absl::string_view why, absl::Time now) {
  WorkerRecord* worker = registry_.FindByStream(stream);
  if (worker == nullptr) return;
  Lose(*worker, why, now);
  Settle(now);
}

void Controller::Lose(WorkerRecord& worker, absl::string_view why, absl::Time now) {
  Note(LogLevel::kInfo, absl::StrCat("the worker is out of reach: ", why), "", worker.name);
  EndGenerations(worker, why);
  tracing_.OnWorkerLost(worker.id, why, now, SenderOfTraces(now));
  registry_.Disconnect(worker);
  worker.releasing.reset();
  if (!worker.holds) {
    if (worker.is_leaving) registry_.Forget(worker.id);
    return;
  }
  JobRecord& record = jobs_.at(worker.holds->job_id());
  StageRecord& stage = record.stages[worker.holds->stage()];
  const std::string what =
      worker.is_leaving ? absl::StrCat(why, ", after it said it leaves: ", worker.leaving_reason)
                        : std::string(why);
  stage.is_attached = false;
  stage.in_flight.reset();
  stage.lost_deadline = worker.last_seen + options_.lease;
  stage.status.set_state(v1::STAGE_STATE_LOST);
  stage.status.set_error(what);
  AddEvent(record, "StageLost",
           absl::StrCat("stage ", stage.status.index(), " is out of reach: worker ", worker.name,
                        ": ", what),
           now);
  MarkChanged(record);
  Advance(record, now);
}

void Controller::Release(WorkerRecord& worker, const v1::StageKey& key, absl::string_view reason,
                         absl::Time now) {
  worker.releasing = key;
  v1::Command command;
  *command.mutable_release_stage()->mutable_key() = key;
  command.mutable_release_stage()->set_reason(std::string(reason));
  worker.release_in_flight = SendCommand(worker, std::move(command), now);
}

void Controller::ExpireWorkers(absl::Time now) {
  std::vector<std::string> forgotten;
  for (auto& [id, worker] : registry_.workers()) {
    if (worker.is_connected() && now - worker.last_seen > options_.lease) {
      const std::string why =
          absl::StrCat("it said nothing for ", ShortDuration(now - worker.last_seen));
      effects_.closed.push_back({worker.stream, absl::DeadlineExceededError(why)});
      forgotten.push_back(id);
    } else if (!worker.is_connected() && !worker.holds &&
               now - worker.last_seen > options_.forget_lost_worker) {
      forgotten.push_back(id);
    } else if (worker.release_in_flight && now > worker.release_in_flight->deadline) {
      Note(LogLevel::kWarning, "the worker does not answer ReleaseStage; it is asked again",
           worker.releasing->job_id(), worker.name);
      Release(worker, *worker.releasing, "asked again", now);
    }
  }
  for (const std::string& id : forgotten) {
    WorkerRecord& worker = *registry_.Find(id);
    if (worker.is_connected()) {
      Lose(worker, absl::StrCat("it said nothing for ", ShortDuration(now - worker.last_seen)),
           now);
    } else {
      registry_.Forget(id);
    }
  }
}

v1::CoordinatorMessage& Controller::Send(StreamId stream) {
  effects_.messages.push_back({stream, v1::CoordinatorMessage()});
  return effects_.messages.back().message;
}

CommandInFlight Controller::SendCommand(const WorkerRecord& worker, v1::Command command,
                                        absl::Time now) {
  command.set_id(next_command_id_++);
  *Send(worker.stream).mutable_command() = command;
  return {command.id(), command, now + DeadlineOf(command, options_.commands)};
}

}  // namespace paci
