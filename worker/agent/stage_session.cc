#include "worker/agent/stage_session.h"

#include <pthread.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/schedule_config.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

std::unique_ptr<Schedule> ScheduleOf(const v1::PrepareStage& command) {
  const auto first_update = static_cast<int64_t>(command.first_update());
  return MakeSchedule(ScheduleConfigOf(command.spec(), first_update), command.key().stage());
}

v1::StageStatus InitialStatus(const v1::PrepareStage& command, const std::string& worker_name) {
  const int64_t index = command.key().stage();
  const v1::StageAssignment& assignment = command.assignments(index);
  const auto schedule = ScheduleOf(command);
  v1::StageStatus status;
  status.set_index(index);
  status.set_worker_id(assignment.worker_id());
  status.set_worker_name(worker_name);
  status.set_state(v1::STAGE_STATE_PREPARING);
  *status.mutable_chunks() = assignment.chunks();
  status.set_in_flight_cap(schedule->InFlightCap());
  status.mutable_lag()->set_bound(schedule->LagBound());
  const StageState state = schedule->Begin();
  status.set_forwards(state.forwards);
  status.set_backwards(state.backwards);
  status.set_updates(state.updates);
  status.set_first_update(state.updates);
  return status;
}

v1::StateSource SourceOf(const v1::PrepareStage& command, uint32_t stage) {
  return command.assignments(static_cast<int>(stage)).state();
}

// ABORTED: the coordinator chooses another way to go on.
absl::Status NotHere(const v1::PrepareStage& command, uint32_t stage) {
  return absl::AbortedError(absl::StrCat("this worker has no copy of stage ", stage,
                                         " of generation ", command.inherits_generation(),
                                         " of job ", command.key().job_id(), " in memory"));
}

}  // namespace

StageSession::StageSession(v1::PrepareStage command, Inheritance inherited,
                           const std::string& worker_name, const Transports& transports,
                           Engine* engine, std::function<void()> on_change)
    : command_(std::move(command)),
      engine_(engine),
      on_change_(std::move(on_change)),
      monitor_(InitialStatus(command_, worker_name)),
      connector_(command_, transports),
      inherited_(std::move(inherited)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "paci-stage");
}

StageSession::~StageSession() {
  Stop(absl::CancelledError("the stage was released"));
  thread_.join();
}

void StageSession::Run() {
  absl::Status status = Prepare();
  if (status.ok() && AwaitStart()) {
    monitor_.OnState(v1::STAGE_STATE_RUNNING);
    on_change_();
    StageLoop* loop = nullptr;
    {
      absl::MutexLock lock(&mutex_);
      loop = loop_.get();
    }
    status = loop->Run();
  } else if (status.ok()) {
    absl::MutexLock lock(&mutex_);
    status = outcome_;
  }
  Finish(status);
}

absl::Status StageSession::Prepare() {
  connector_.Begin();
  auto schedule = ScheduleOf(command_);
  const absl::Status built = Build(*schedule);
  if (!built.ok()) connector_.Cancel(built);
  absl::StatusOr<StageLinks> links = connector_.AwaitAll();
  // One link failed: the others need not wait for their deadline.
  if (!links.ok()) connector_.Cancel(links.status());
  absl::MutexLock lock(&mutex_);
  if (!outcome_.ok()) return outcome_;
  if (!built.ok()) return built;
  if (!links.ok()) {
    return absl::Status(links.status().code(),
                        absl::StrCat("stage ", key().stage(), " of job ", key().job_id(),
                                     " cannot reach a neighbour: ", links.status().message()));
  }
  if (links->copies_in) kept_copies_ = std::make_unique<CopyReceiver>(std::move(links->copies_in));
  std::unique_ptr<Replicator> replicator;
  if (links->copies_out) {
    const auto every = static_cast<int64_t>(command_.spec().recovery().replicate_every());
    replicator = std::make_unique<Replicator>(compute_.get(), std::move(links->copies_out), every);
  }
  loop_ = std::make_unique<StageLoop>(std::move(schedule), compute_.get(),
                                      std::move(links->pipeline), &monitor_, std::move(replicator));
  return absl::OkStatus();
}

absl::Status StageSession::Build(const Schedule& schedule) {
  const absl::StatusOr<std::shared_ptr<const StateCopy>> state = ExchangeCopies();
  if (!state.ok()) return state.status();
  absl::StatusOr<std::unique_ptr<StageCompute>> compute =
      engine_->MakeCompute(command_, state->get());
  inherited_ = {};
  if (!compute.ok()) return compute.status();
  compute_ = *std::move(compute);
  monitor_.OnBuilt(compute_->parameter_count(), compute_->data());
  return compute_->Prepare(StageLoop::SlotCount(schedule), StageLoop::ReturnCount());
}

absl::StatusOr<std::shared_ptr<const StateCopy>> StageSession::ExchangeCopies() {
  if (command_.inherits_generation() == 0) return nullptr;
  absl::StatusOr<StageLinks> links = connector_.AwaitRestore();
  if (!links.ok()) return links.status();
  {
    absl::MutexLock lock(&mutex_);
    if (!outcome_.ok()) return outcome_;
    if (links->restore_out) {
      restore_out_ = std::make_unique<CopySender>(std::move(links->restore_out));
    }
    if (links->restore_in) {
      restore_in_ = std::make_unique<CopyReceiver>(std::move(links->restore_in));
    }
  }
  if (absl::Status given = GiveBack(); !given.ok()) return given;
  switch (SourceOf(command_, key().stage())) {
    case v1::STATE_SOURCE_OWN:
      if (inherited_.own == nullptr) return NotHere(command_, key().stage());
      return inherited_.own;
    case v1::STATE_SOURCE_NEIGHBOUR:
      return TakeBack();
    default:
      return nullptr;
  }
}

absl::Status StageSession::GiveBack() {
  const uint32_t kept = KeptBy(key().stage(), command_.spec().pipeline().stages());
  if (SourceOf(command_, kept) != v1::STATE_SOURCE_NEIGHBOUR) return absl::OkStatus();
  if (inherited_.neighbours == nullptr) return NotHere(command_, kept);
  CopySender* sender = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    sender = restore_out_.get();
  }
  if (absl::Status sent = sender->Send(*inherited_.neighbours); !sent.ok()) return sent;
  return sender->Await();
}

absl::StatusOr<std::shared_ptr<const StateCopy>> StageSession::TakeBack() {
  CopyReceiver* receiver = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    receiver = restore_in_.get();
  }
  absl::StatusOr<std::shared_ptr<const StateCopy>> state = receiver->AwaitFirst();
  std::unique_ptr<CopyReceiver> over;
  absl::MutexLock lock(&mutex_);
  over = std::move(restore_in_);
  return state;
}

bool StageSession::AwaitStart() {
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kPreparing) phase_ = Phase::kReady;
  }
  monitor_.OnState(v1::STAGE_STATE_READY);
  on_change_();
  absl::MutexLock lock(&mutex_);
  const auto is_decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return phase_ == Phase::kRunning || !outcome_.ok();
  };
  mutex_.Await(absl::Condition(&is_decided));
  return outcome_.ok();
}

void StageSession::Finish(const absl::Status& status) {
  v1::StageState state = v1::STAGE_STATE_FINISHED;
  // Without it the neighbours learn at once that this stage will not run.
  std::unique_ptr<StageLoop> unused_loop;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      state = outcome_.ok() ? v1::STAGE_STATE_FAILED : v1::STAGE_STATE_STOPPED;
      if (outcome_.ok()) outcome_ = status;
      unused_loop = std::move(loop_);
    }
  }
  const std::string error = status.ok() ? "" : status.ToString();
  if (state == v1::STAGE_STATE_FAILED) {
    LogWarning("the stage failed", {{"job", key().job_id()},
                                    {"stage", key().stage()},
                                    {"generation", key().generation()},
                                    {"error", error}});
  }
  monitor_.OnState(state, error);
  monitor_.spans()->Close("the stage is over");
  {
    absl::MutexLock lock(&mutex_);
    phase_ = Phase::kOver;
  }
  on_change_();
}

absl::Status StageSession::AwaitPrepared() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](Phase* phase) { return *phase != Phase::kPreparing; }, &phase_));
  return outcome_;
}

absl::Status StageSession::Start() {
  absl::MutexLock lock(&mutex_);
  if (phase_ == Phase::kPreparing) {
    return absl::FailedPreconditionError("the stage is not prepared yet");
  }
  if (!outcome_.ok()) return outcome_;
  if (phase_ == Phase::kReady) phase_ = Phase::kRunning;
  return absl::OkStatus();
}

absl::StatusOr<int64_t> StageSession::Hold(const v1::HoldStage& command) {
  absl::MutexLock lock(&mutex_);
  if (loop_ == nullptr) {
    return absl::FailedPreconditionError(
        phase_ == Phase::kPreparing ? "the stage is not prepared yet" : "the stage is over");
  }
  if (!command.hold()) {
    loop_->Resume();
    return 0;
  }
  if (key().stage() == 0) return loop_->HoldAtFirstStage();
  loop_->HoldAt(command.at_update());
  return command.at_update();
}

absl::Status StageSession::Commit(const v1::CommitCheckpoint& command) {
  return engine_->CommitCheckpoint(command_.spec(), command);
}

void StageSession::OnReportStored(const v1::ReportAck& ack) {
  monitor_.OnReportStored(ack.sequence());
  monitor_.OnSettled(ack.settled_update());
}

void StageSession::Stop(const absl::Status& reason) {
  {
    absl::MutexLock lock(&mutex_);
    if (phase_ == Phase::kOver) return;
    if (outcome_.ok()) outcome_ = reason;
    if (loop_ != nullptr) loop_->Stop(reason);
    if (restore_out_ != nullptr) restore_out_->Close(reason);
    if (restore_in_ != nullptr) restore_in_->Close(reason);
  }
  connector_.Cancel(reason);
}

void StageSession::AwaitOver() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](Phase* phase) { return *phase == Phase::kOver; }, &phase_));
}

bool StageSession::IsOver() const {
  absl::MutexLock lock(&mutex_);
  return phase_ == Phase::kOver;
}

absl::StatusOr<Inheritance> StageSession::Bequeath(const v1::PrepareStage& command) {
  Inheritance inherited;
  if (SourceOf(command, key().stage()) == v1::STATE_SOURCE_OWN && compute_ != nullptr) {
    auto own = std::make_shared<StateCopy>();
    const auto updates = static_cast<int64_t>(monitor_.Status().updates());
    if (absl::Status copied = compute_->CopyState(updates, *own); !copied.ok()) return copied;
    inherited.own = std::move(own);
  }
  absl::MutexLock lock(&mutex_);
  if (kept_copies_ != nullptr) inherited.neighbours = kept_copies_->Newest();
  return inherited;
}

v1::StageReport StageSession::MakeReport() {
  v1::StageReport report = monitor_.MakeReport();
  *report.mutable_key() = key();
  absl::MutexLock lock(&mutex_);
  const auto copy = kept_copies_ == nullptr ? nullptr : kept_copies_->Newest();
  if (copy != nullptr) report.mutable_status()->set_copy_update(copy->update());
  return report;
}

}  // namespace paci
