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
  const auto first_update = static_cast<int64_t>(command.resume_from().update());
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

}  // namespace

StageSession::StageSession(v1::PrepareStage command, const std::string& worker_name,
                           Transport* transport, Engine* engine, std::function<void()> on_change)
    : command_(std::move(command)),
      transport_(transport),
      engine_(engine),
      on_change_(std::move(on_change)),
      monitor_(InitialStatus(command_, worker_name)),
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
  BeginConnecting();
  absl::StatusOr<std::unique_ptr<StageCompute>> compute = engine_->MakeCompute(command_);
  auto schedule = ScheduleOf(command_);
  absl::Status built = compute.status();
  if (built.ok()) {
    compute_ = *std::move(compute);
    monitor_.OnBuilt(compute_->parameter_count());
    built = compute_->Prepare(StageLoop::SlotCount(*schedule), StageLoop::ReturnCount());
  }
  if (!built.ok()) transport_->Cancel(key().job_id(), key().generation());
  absl::StatusOr<StageChannels> channels = AwaitChannels();
  if (!built.ok()) return built;
  if (!channels.ok()) return channels.status();
  absl::MutexLock lock(&mutex_);
  if (!outcome_.ok()) return outcome_;
  loop_ = std::make_unique<StageLoop>(std::move(schedule), compute_.get(), *std::move(channels),
                                      &monitor_);
  return absl::OkStatus();
}

void StageSession::BeginConnecting() {
  const uint32_t stage = key().stage();
  const uint32_t stages = command_.spec().pipeline().stages();
  // With several chunks a stage the pipeline is a ring.
  const bool is_ring = command_.assignments(stage).chunks_size() > 1;
  const bool has_upstream = stage > 0 || is_ring;
  const bool has_downstream = stage + 1 < stages || is_ring;
  const absl::Time deadline = absl::Now() + absl::Seconds(command_.connect_seconds());
  const LinkOptions options{command_.secret(), command_.spec().pipeline().frame_checksums()};
  {
    absl::MutexLock lock(&mutex_);
    pending_channels_ = (has_upstream ? 2 : 0) + (has_downstream ? 2 : 0);
  }
  const auto store = [this](auto member) {
    return [this, member](auto channel) {
      absl::MutexLock lock(&mutex_);
      --pending_channels_;
      if (channel.ok()) {
        connected_.*member = *std::move(channel);
      } else if (connect_failure_.ok()) {
        connect_failure_ = channel.status();
      }
    };
  };
  // A ring of two has two links each way.
  const auto link = [&](uint32_t from, uint32_t to, bool closes_ring) {
    return LinkId{key().job_id(), key().generation(), from, to, uint8_t{closes_ring}};
  };
  const auto address = [&](uint32_t of) { return command_.assignments(of).data_address(); };
  if (has_upstream) {
    const bool closes_ring = stage == 0;
    const uint32_t upstream = (stage + stages - 1) % stages;
    transport_->Accept(link(upstream, stage, closes_ring), options, deadline,
                       store(&StageChannels::activations_in));
    transport_->Connect(address(upstream), link(stage, upstream, closes_ring), options, deadline,
                        store(&StageChannels::gradients_out));
  }
  if (has_downstream) {
    const bool closes_ring = stage + 1 == stages;
    const uint32_t downstream = (stage + 1) % stages;
    transport_->Accept(link(downstream, stage, closes_ring), options, deadline,
                       store(&StageChannels::gradients_in));
    transport_->Connect(address(downstream), link(stage, downstream, closes_ring), options,
                        deadline, store(&StageChannels::activations_out));
  }
}

absl::StatusOr<StageChannels> StageSession::AwaitChannels() {
  absl::MutexLock lock(&mutex_);
  const auto is_decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return pending_channels_ == 0 || !connect_failure_.ok() || !outcome_.ok();
  };
  mutex_.Await(absl::Condition(&is_decided));
  if (pending_channels_ > 0) {
    // One link failed, or a stop: the others need not wait for their deadline, and each must have
    // called back.
    mutex_.Unlock();
    transport_->Cancel(key().job_id(), key().generation());
    mutex_.Lock();
    mutex_.Await(absl::Condition(
        +[](int* pending) { return *pending == 0; }, &pending_channels_));
  }
  if (!outcome_.ok()) return outcome_;
  if (!connect_failure_.ok()) {
    return absl::Status(connect_failure_.code(),
                        absl::StrCat("stage ", key().stage(), " of job ", key().job_id(),
                                     " cannot reach a neighbour: ", connect_failure_.message()));
  }
  return std::move(connected_);
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
  // Without them the neighbours learn at once that this stage will not run.
  std::unique_ptr<StageLoop> unused_loop;
  StageChannels unused_channels;
  {
    absl::MutexLock lock(&mutex_);
    if (!status.ok()) {
      state = outcome_.ok() ? v1::STAGE_STATE_FAILED : v1::STAGE_STATE_STOPPED;
      if (outcome_.ok()) outcome_ = status;
      unused_loop = std::move(loop_);
      unused_channels = std::move(connected_);
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
  }
  transport_->Cancel(key().job_id(), key().generation());
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

v1::StageReport StageSession::MakeReport() {
  v1::StageReport report = monitor_.MakeReport();
  *report.mutable_key() = key();
  return report;
}

}  // namespace paci
