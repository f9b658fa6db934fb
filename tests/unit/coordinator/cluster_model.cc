#include "tests/unit/coordinator/cluster_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "tests/unit/coordinator/small_spec.h"

namespace paci {
namespace {

bool IsOver(const v1::StageStatus& status) {
  return status.state() == v1::STAGE_STATE_FINISHED || status.state() == v1::STAGE_STATE_FAILED ||
         status.state() == v1::STAGE_STATE_STOPPED;
}

v1::JobSpec SpecOf(uint32_t choice) {
  static const v1::JobSpec base = SmallSpec("a", 1, 3);
  v1::JobSpec spec = base;
  spec.mutable_pipeline()->set_stages(1 + choice % 3);
  spec.mutable_pipeline()->set_partition_by(choice % 2 == 0 ? v1::PARTITION_BY_MEASURED
                                                            : v1::PARTITION_BY_FLOPS);
  if (choice % 5 < 4) spec.mutable_checkpoint()->set_dir("ck");
  if (choice % 5 < 3) {
    spec.mutable_checkpoint()->set_every(1);
    spec.mutable_pipeline()->set_drift_limit(choice % 17 < 8 ? 1 : 0);
  }
  if (choice % 7 < 4) spec.mutable_recovery()->set_max_restarts(choice % 7 == 3 ? 1 : 1000);
  if (choice % 11 < 6) spec.mutable_recovery()->set_min_stages(1 + choice % 2);
  if (choice % 13 < 8) spec.mutable_recovery()->set_replacement_seconds(0.5);
  return spec;
}

}  // namespace

ClusterModel::ClusterModel(size_t workers) {
  for (size_t i = 0; i < workers; ++i) processes_.push_back({absl::StrCat("w", i)});
  Restart();
}

void ClusterModel::Step(uint32_t choice) {
  if (!broken_.empty()) return;
  const uint32_t what = choice % 64;
  const uint32_t rest = choice / 64;
  if (what == 0) {
    Restart();
  } else if (what < 6) {
    OfUser(rest);
  } else if (what < 12) {
    Tick(absl::Milliseconds(100) * (1 + rest % 20));
  } else {
    OfProcess(processes_[rest % processes_.size()], rest / 8 % 32);
  }
  TakeEffects();
  Check();
}

void ClusterModel::OfUser(uint32_t choice) {
  const uint32_t rest = choice / 10;
  const std::string job_id = absl::StrCat("a-", last_job_ == 0 ? 1 : 1 + rest % last_job_);
  switch (choice % 10) {
    case 0:
    case 1:
      return Submit(rest);
    case 2:
      return (void)controller_->Cancel(job_id, now_);
    case 3:
      return (void)controller_->Pause(job_id, now_);
    case 4:
      return (void)controller_->Resume(job_id, now_);
    case 5:
      if (controller_->Delete(job_id, now_).ok()) last_seen_.erase(job_id);
      return;
    case 6:
      return Trace(job_id);
    case 7:
      return (void)controller_->Drain(processes_[rest % processes_.size()].name, now_);
    case 8:
      return Rescale(job_id, rest / 8 % 5);
    default: {
      v1::GenerateRequest request;
      request.set_job_id(job_id);
      request.set_max_tokens(1);
      const GenerateTicket ticket = next_ticket_++;
      if (controller_->Generate(ticket, request, now_ + absl::Seconds(60), now_).ok()) {
        waiting_.insert(ticket);
      }
    }
  }
}

void ClusterModel::Rescale(const std::string& job_id, uint32_t stages) {
  if (controller_->Rescale(job_id, stages, now_).ok()) rescaled_.insert(job_id);
}

void ClusterModel::Trace(const std::string& job_id) {
  v1::TraceJobRequest request;
  request.set_job_id(job_id);
  const TraceTicket ticket = next_ticket_++;
  if (controller_->Trace(ticket, request, now_).ok()) traces_.insert(ticket);
}

void ClusterModel::Submit(uint32_t choice) {
  v1::SubmitJobRequest request;
  *request.mutable_spec() = SpecOf(choice);
  if (controller_->Submit(request, now_).ok()) ++last_job_;
}

void ClusterModel::OfProcess(Process& process, uint32_t choice) {
  if (process.stream == 0 && choice % 4 == 0) return Connect(process);
  if (choice == 31) return Break(process);
  if (choice == 30) return Die(process);
  if (choice == 29 && process.stream != 0) {
    v1::WorkerMessage message;
    message.mutable_leaving()->set_reason("SIGTERM");
    process.is_leaving = true;
    Say(process, message);
    if (!process.session) Die(process);
    return;
  }
  if (choice == 28 && process.stream != 0) return Connect(process);  // a second stream
  if (choice < 10) return Execute(process, choice == 0);
  if (choice < 20) return Train(process);
  Report(process);
}

void ClusterModel::Connect(Process& process) {
  process.stream = next_stream_++;
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_worker_id(process.id());
  hello.set_worker_name(process.name);
  hello.mutable_info()->set_device("cpu");
  if (process.session) *hello.mutable_running() = MakeReport(*process.session);
  Say(process, message);
}

void ClusterModel::Break(Process& process) {
  const StreamId stream = std::exchange(process.stream, 0);
  if (stream != 0) controller_->OnStreamLost(stream, "its stream broke", now_);
}

// The process ends, and another takes its place.
void ClusterModel::Die(Process& process) {
  Break(process);
  process.incarnation++;
  process.session.reset();
  process.commands.clear();
  process.is_leaving = false;
}

void ClusterModel::Execute(Process& process, bool fails) {
  if (process.commands.empty()) return;
  const v1::Command command = std::move(process.commands.front());
  process.commands.pop_front();
  if (command.has_leave()) return Die(process);
  v1::WorkerMessage message;
  v1::CommandResult& result = *message.mutable_result();
  const absl::Status status = Do(process, command, fails, result);
  result.set_id(command.id());
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(status.message()));
  Say(process, message);
  if (command.has_release_stage() && process.is_leaving && !process.session) Die(process);
}

absl::Status ClusterModel::Do(Process& process, const v1::Command& command, bool fails,
                              v1::CommandResult& result) {
  const auto holds = [&](const v1::StageKey& key) {
    return process.session && IsSame(process.session->report.key(), key);
  };
  absl::Status other = absl::FailedPreconditionError("it does not hold that");
  if (command.has_prepare_stage()) return Prepare(process, command.prepare_stage(), fails);
  if (command.has_release_stage()) {
    if (!holds(command.release_stage().key())) {
      return process.session ? other : absl::OkStatus();
    }
    process.session.reset();
    return absl::OkStatus();
  }
  if (fails) return absl::InternalError("no luck");
  if (command.has_measure_layers()) {
    result.mutable_layer_costs()->set_embedding_seconds(1);
    result.mutable_layer_costs()->set_block_seconds(1);
    result.mutable_layer_costs()->set_head_seconds(1);
  } else if (command.has_sync_clock()) {
    for (const auto set :
         {&v1::ClockReading::set_sent_unix_nanos, &v1::ClockReading::set_received_unix_nanos,
          &v1::ClockReading::set_answered_unix_nanos, &v1::ClockReading::set_returned_unix_nanos}) {
      (result.mutable_clock()->*set)(absl::ToUnixNanos(now_));
    }
  } else if (command.has_trace_stage()) {
    if (!holds(command.trace_stage().key())) return other;
    v1::WorkerMessage part;
    part.mutable_trace()->set_command_id(command.id());
    part.mutable_trace()->mutable_trace()->add_spans();
    Say(process, part);
  } else if (command.has_generate_text()) {
    result.mutable_generated()->set_text("text");
  } else if (command.has_start_stage()) {
    if (!holds(command.start_stage().key())) return other;
    v1::StageStatus& status = *process.session->report.mutable_status();
    if (IsOver(status) && status.state() != v1::STAGE_STATE_FINISHED) {
      return absl::CancelledError("it is over");
    }
    if (status.state() == v1::STAGE_STATE_READY) status.set_state(v1::STAGE_STATE_RUNNING);
  } else if (command.has_hold_stage()) {
    const v1::HoldStage& hold = command.hold_stage();
    if (!holds(hold.key())) return other;
    Session& session = *process.session;
    const uint64_t updates = session.report.status().updates();
    session.hold_at = !hold.hold()              ? UINT64_MAX
                      : hold.key().stage() == 0 ? std::min<uint64_t>(updates + updates % 2, 3)
                                                : hold.at_update();
    if (!hold.hold()) session.report.set_held(false);
    if (hold.hold()) result.set_held_at_update(session.hold_at);
  } else if (command.has_commit_checkpoint()) {
    if (!holds(command.commit_checkpoint().key())) return other;
    committed_[command.commit_checkpoint().key().job_id()].insert(
        command.commit_checkpoint().update());
  }
  return absl::OkStatus();
}

absl::Status ClusterModel::Prepare(Process& process, const v1::PrepareStage& command, bool fails) {
  if (process.session && !IsSame(process.session->report.key(), command.key())) {
    const v1::StageKey& held = process.session->report.key();
    const bool is_successor =
        held.job_id() == command.key().job_id() && held.generation() < command.key().generation();
    if (!is_successor) return absl::FailedPreconditionError("it still holds another stage");
    process.session.reset();
  }
  if (!process.session) {
    if (process.is_leaving) return absl::FailedPreconditionError("it is leaving");
    process.session = Session();
    process.session->stages = command.assignments_size();
    *process.session->report.mutable_key() = command.key();
    const uint64_t update = command.resume_from().update();
    if (update > 0 && committed_[command.key().job_id()].count(update) == 0) {
      Break(absl::StrCat("update ", update, " is resumed from, and was not committed"));
    }
    process.session->report.mutable_status()->set_updates(update);
    process.session->points_stored = update;
    process.session->report.mutable_status()->set_state(fails ? v1::STAGE_STATE_FAILED
                                                              : v1::STAGE_STATE_READY);
    if (fails) process.session->report.mutable_status()->set_error("UNAVAILABLE: no neighbour");
  }
  const v1::StageStatus& status = process.session->report.status();
  return status.state() == v1::STAGE_STATE_FAILED ? absl::UnavailableError("no neighbour")
                                                  : absl::OkStatus();
}

ClusterModel::Session* ClusterModel::Find(const std::string& job_id, uint64_t generation,
                                          uint32_t stage) {
  v1::StageKey key;
  key.set_job_id(job_id);
  key.set_generation(generation);
  key.set_stage(stage);
  for (Process& process : processes_) {
    if (process.session && IsSame(process.session->report.key(), key)) return &*process.session;
  }
  return nullptr;
}

// One update, if the stage before it has done it and no hold forbids it. A stage whose neighbour is
// gone fails.
void ClusterModel::Train(Process& process) {
  if (!process.session) return;
  Session& session = *process.session;
  v1::StageStatus& status = *session.report.mutable_status();
  const v1::StageKey& key = session.report.key();
  const uint64_t number = std::stoul(key.job_id().substr(2));
  const auto stored = stored_jobs_.find(number);
  if (status.state() != v1::STAGE_STATE_RUNNING || stored == stored_jobs_.end()) return;
  const uint32_t stages = session.stages;
  uint64_t available = 3;
  for (const int step : {-1, 1}) {
    const int64_t neighbour = int64_t{key.stage()} + step;
    if (neighbour < 0 || neighbour >= stages) continue;
    const Session* peer = Find(key.job_id(), key.generation(), static_cast<uint32_t>(neighbour));
    if (peer == nullptr || peer->report.status().state() == v1::STAGE_STATE_FAILED) {
      status.set_state(v1::STAGE_STATE_FAILED);
      status.set_error("UNAVAILABLE: a neighbour is gone");
      return;
    }
    if (step < 0) available = peer->report.status().updates();
  }
  const uint64_t end = std::min<uint64_t>(session.hold_at, available);
  const bool has_checkpoints = !stored->second.job.spec().checkpoint().dir().empty();
  if (status.updates() < end) {
    status.set_updates(status.updates() + 1);
    const bool is_due = stored->second.job.spec().checkpoint().every() == 1;
    if (has_checkpoints && (is_due || status.updates() == 3)) {
      v1::CheckpointPart& part = *session.report.add_checkpoints();
      part.set_update(status.updates());
      part.set_drift(static_cast<double>((key.generation() + key.stage() + part.update()) % 3));
    }
  }
  session.report.set_held(status.updates() == session.hold_at && status.updates() < 3);
  if (status.updates() < 3) return;
  status.set_state(v1::STAGE_STATE_FINISHED);
}

v1::StageReport ClusterModel::MakeReport(Session& session) {
  session.report.set_sequence(session.report.sequence() + 1);
  session.report.clear_points();
  for (uint64_t i = session.points_stored + 1; i <= session.report.status().updates(); ++i) {
    session.report.add_points()->set_update(i);
  }
  session.points_reported[session.report.sequence()] = session.report.status().updates();
  return session.report;
}

void ClusterModel::Report(Process& process) {
  v1::WorkerMessage message;
  if (process.session) {
    *message.mutable_report() = MakeReport(*process.session);
  } else {
    message.mutable_heartbeat();
  }
  Say(process, message);
}

void ClusterModel::Say(Process& process, const v1::WorkerMessage& message) {
  if (process.stream != 0) controller_->OnMessage(process.stream, message, now_);
}

void ClusterModel::Tick(absl::Duration time) {
  for (const absl::Time end = now_ + time; now_ < end;) {
    now_ += absl::Milliseconds(100);
    controller_->Tick(now_);
    TakeEffects();
  }
}

void ClusterModel::Restart() {
  now_ += absl::Seconds(1);
  for (Process& process : processes_) process.stream = 0;
  waiting_.clear();
  traces_.clear();
  StoreContents contents;
  for (const auto& [number, stored] : stored_jobs_) contents.jobs.push_back(stored);
  contents.next_job_number = last_job_ + 1;
  contents.next_event_sequence = last_event_ + 1;
  ControllerOptions options;
  options.make_secret = [] { return "secret"; };
  options.tracing.exchanges = 2;
  controller_ = std::make_unique<Controller>(options, contents, now_);
}

void ClusterModel::TakeEffects() {
  const Effects effects = controller_->TakeEffects();
  for (const v1::Event& event : effects.writes.events) {
    if (event.sequence() != ++last_event_) Break("event sequences have a gap");
    announced_.emplace(event.job_id(), event.generation(), event.type());
    rescalings_ += event.type() == "Rescaling";
    splits_ += event.type() == "MicroBatchesChanging";
  }
  for (const StoredJob& stored : effects.writes.jobs) stored_jobs_[stored.number] = stored;
  for (const CutPoints& cut : effects.writes.cut_points) {
    auto& points = stored_points_[cut.job_id];
    points.erase(points.upper_bound(cut.after_update), points.end());
  }
  for (const StoredPoint& stored : effects.writes.points) {
    stored_points_[stored.job_id].insert(stored.point.update());
  }
  for (const std::string& id : effects.writes.deleted_jobs) {
    stored_jobs_.erase(std::stoul(id.substr(2)));
  }
  for (const OutgoingMessage& outgoing : effects.messages) TakeMessage(outgoing);
  for (const ClosedStream& closed : effects.closed) {
    for (Process& process : processes_) {
      if (process.stream == closed.stream) process.stream = 0;
    }
  }
  for (const GenerateOutcome& outcome : effects.generated) {
    if (waiting_.erase(outcome.ticket) == 0) Break("a ticket is answered twice");
  }
  for (const TraceOutcome& outcome : effects.traced) {
    if (traces_.erase(outcome.ticket) == 0) Break("a trace is answered twice");
    for (const v1::StageTrace& stage : outcome.stages) {
      if (stage.spans_size() != 1 && stage.error().empty()) Break("a stage is missing in silence");
    }
  }
}

void ClusterModel::TakeMessage(const OutgoingMessage& outgoing) {
  const auto process = std::find_if(processes_.begin(), processes_.end(),
                                    [&](const Process& p) { return p.stream == outgoing.stream; });
  if (process == processes_.end()) return;  // sent into the void
  const v1::CoordinatorMessage& message = outgoing.message;
  if (message.has_welcome() && message.welcome().release_stage()) process->session.reset();
  if (message.has_ack() && process->session &&
      IsSame(process->session->report.key(), message.ack().key())) {
    Session& session = *process->session;
    session.points_stored =
        std::max(session.points_stored, session.points_reported[message.ack().sequence()]);
  }
  if (!message.has_command()) return;
  const v1::Command& command = message.command();
  const auto require = [&](const v1::StageKey& key, const char* event) {
    if (announced_.count({key.job_id(), key.generation(), event}) == 0) {
      Break(absl::StrCat(std::string(NameOf(command)), " was sent before ", event, " was stored"));
    }
  };
  if (command.has_measure_layers()) require(command.measure_layers().key(), "Placing");
  if (command.has_prepare_stage()) {
    require(command.prepare_stage().key(), "Preparing");
    CheckPartition(command.prepare_stage());
  }
  if (command.has_start_stage()) require(command.start_stage().key(), "Running");
  process->commands.push_back(command);
}

size_t ClusterModel::jobs_completed() const {
  return std::count_if(stored_jobs_.begin(), stored_jobs_.end(), [](const auto& entry) {
    return entry.second.job.state() == v1::JOB_STATE_COMPLETED;
  });
}

size_t ClusterModel::jobs_completed_after_a_restart() const {
  return std::count_if(stored_jobs_.begin(), stored_jobs_.end(), [](const auto& entry) {
    return entry.second.job.state() == v1::JOB_STATE_COMPLETED &&
           !entry.second.job.restarts().empty();
  });
}

}  // namespace paci
