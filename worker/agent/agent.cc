#include "worker/agent/agent.h"

#include <grpcpp/grpcpp.h>
#include <pthread.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/config/stage_key.h"
#include "common/rpc/backoff.h"
#include "common/rpc/status.h"
#include "common/telemetry/anchored_clock.h"
#include "common/telemetry/log.h"
#include "common/text/short_duration.h"
#include "worker/agent/trace_messages.h"

namespace paci {
namespace {

// For the coordinator to hear that an idle worker leaves, and to end the stream.
constexpr absl::Duration kFarewell = absl::Seconds(1);

std::shared_ptr<grpc::Channel> MakeChannel(const AgentOptions& options) {
  grpc::ChannelArguments arguments;
  // A coordinator that is gone without a word is noticed within seconds.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 5000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // Not the connection of an earlier channel, with its backoff: the agent's decides when to dial.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(options.coordinator, options.credentials, arguments);
}

}  // namespace

Agent::Agent(AgentOptions options, const Transports& transports, Engine* engine)
    : options_(std::move(options)),
      transports_(transports),
      engine_(engine),
      commands_("paci-command"),
      generations_("paci-generate"),
      traces_("paci-trace") {}

Agent::~Agent() {
  std::shared_ptr<StageSession> held = session();
  if (held != nullptr) held->Stop(absl::CancelledError("the worker ends"));
}

void Agent::Run() {
  Backoff backoff(BackoffOptions{absl::Milliseconds(100), options_.max_redial_delay},
                  std::hash<std::string>()(options_.worker_id));
  bool is_first = true;
  for (;;) {
    const Served served = Serve();
    absl::MutexLock lock(&mutex_);
    if (has_left_) return;
    if (served.was_welcomed) backoff.Reset();
    const absl::Duration delay = backoff.Next();
    // Once an outage, so that a wrong address is seen and a long absence does not fill the log.
    const bool is_news = served.was_welcomed || is_first;
    is_first = false;
    Log(is_news ? LogLevel::kWarning : LogLevel::kInfo,
        absl::IsUnavailable(served.end) ? "the coordinator cannot be reached; dialling until it can"
                                        : "the coordinator ended the stream; dialling again",
        {{"coordinator", options_.coordinator},
         {"why", served.end.ToString()},
         {"delay", ShortDuration(delay)}});
    mutex_.AwaitWithTimeout(absl::Condition(&has_left_), delay);
    if (has_left_) return;
  }
}

Agent::Served Agent::Serve() {
  grpc::ClientContext context;
  {
    absl::MutexLock lock(&mutex_);
    if (has_left_) return {};
    context_ = &context;
    is_stream_over_ = false;
    outgoing_.clear();
  }
  Served served;
  {
    // A channel a dial: one that has failed is looked at again only every 5 s while no call waits.
    const auto stub = v1::WorkerService::NewStub(MakeChannel(options_));
    const std::unique_ptr<Stream> stream = stub->Connect(&context);
    std::thread writer([&] { Write(*stream); });
    pthread_setname_np(writer.native_handle(), "paci-report");
    Read(*stream, served.was_welcomed);
    options_.on_registration(false);
    {
      // Not cancelled: the coordinator may have said why.
      absl::MutexLock lock(&mutex_);
      is_stream_over_ = true;
    }
    writer.join();
    served.end = FromGrpcStatus(stream->Finish());
    if (served.end.ok()) served.end = absl::UnavailableError("it said goodbye");
  }
  absl::MutexLock lock(&mutex_);
  context_ = nullptr;
  return served;
}

void Agent::EndStream() {
  absl::MutexLock lock(&mutex_);
  is_stream_over_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

void Agent::Read(Stream& stream, bool& was_welcomed) {
  v1::CoordinatorMessage message;
  while (stream.Read(&message)) {
    switch (message.message_case()) {
      case v1::CoordinatorMessage::kWelcome:
        was_welcomed = true;
        options_.on_registration(true);
        OnWelcome(message.welcome());
        break;
      case v1::CoordinatorMessage::kCommand:
        OnCommand(message.command());
        break;
      case v1::CoordinatorMessage::kAck:
        if (const auto held = Find(message.ack().key()); held.ok()) {
          (*held)->OnReportStored(message.ack());
        }
        break;
      case v1::CoordinatorMessage::MESSAGE_NOT_SET:
        LogWarning("the coordinator sent a message that this version does not know");
        break;
    }
  }
}

void Agent::Write(Stream& stream) {
  if (!stream.Write(MakeHello())) return;
  while (std::optional<v1::WorkerMessage> message = NextMessage()) {
    if (message->result().has_clock()) {
      message->mutable_result()->mutable_clock()->set_answered_unix_nanos(
          absl::ToUnixNanos(AnchoredNow()));
    }
    if (!stream.Write(*message)) return;
  }
  // If the worker has left, the coordinator reads all that was said and then ends the stream.
  stream.WritesDone();
}

v1::WorkerMessage Agent::MakeHello() {
  v1::WorkerMessage message;
  v1::Hello& hello = *message.mutable_hello();
  hello.set_worker_id(options_.worker_id);
  hello.set_worker_name(options_.worker_name);
  *hello.mutable_info() = options_.info;
  if (const auto held = session(); held != nullptr) *hello.mutable_running() = held->MakeReport();
  absl::MutexLock lock(&mutex_);
  if (!leaving_reason_.empty()) {
    outgoing_.emplace_back().mutable_leaving()->set_reason(leaving_reason_);
  }
  return message;
}

std::optional<v1::WorkerMessage> Agent::NextMessage() {
  {
    absl::MutexLock lock(&mutex_);
    const auto has_news = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return is_stream_over_ || is_report_due_ || has_left_ || !outgoing_.empty();
    };
    mutex_.AwaitWithTimeout(absl::Condition(&has_news), report_interval_);
    if (is_stream_over_) return std::nullopt;
    if (!outgoing_.empty()) {
      v1::WorkerMessage message = std::move(outgoing_.front());
      outgoing_.pop_front();
      return message;
    }
    if (has_left_) return std::nullopt;
    is_report_due_ = false;
  }
  v1::WorkerMessage message;
  if (const auto held = session(); held != nullptr) {
    *message.mutable_report() = held->MakeReport();
  } else {
    message.mutable_heartbeat();
  }
  return message;
}

void Agent::OnWelcome(const v1::Welcome& welcome) {
  LogInfo("registered with the coordinator", {{"coordinator", options_.coordinator}});
  {
    absl::MutexLock lock(&mutex_);
    if (welcome.report_interval_seconds() > 0) {
      report_interval_ = absl::Seconds(welcome.report_interval_seconds());
    }
  }
  const auto held = session();
  if (!welcome.release_stage() || held == nullptr) return;
  held->Stop(absl::AbortedError("the coordinator does not know this stage any more"));
  commands_.Add([this, key = held->key()] { (void)Release(key); });
}

void Agent::OnCommand(const v1::Command& command) {
  const auto answer = [this, command] {
    std::vector<v1::WorkerMessage> messages(1);
    *messages[0].mutable_result() = Do(command);
    Say(std::move(messages));
  };
  switch (command.command_case()) {
    case v1::Command::kSyncClock:
      return answer();
    case v1::Command::kTraceStage:
      return OnTraceStage(command);
    case v1::Command::kGenerateText:
      return generations_.Add(answer);
    case v1::Command::kStopStage:
      if (const auto held = Find(command.stop_stage().key()); held.ok()) {
        (*held)->Stop(absl::AbortedError(command.stop_stage().reason()));
      }
      return answer();
    case v1::Command::kReleaseStage:
      // Now, not behind a PrepareStage that is still waiting for its neighbours.
      if (const auto held = Find(command.release_stage().key()); held.ok()) {
        (*held)->Stop(absl::CancelledError(command.release_stage().reason()));
      }
      return commands_.Add(answer);
    default:
      return commands_.Add(answer);
  }
}

// The window begins now, whatever else there is to do; its end is waited for elsewhere.
void Agent::OnTraceStage(const v1::Command& command) {
  const auto held = Find(command.trace_stage().key());
  if (!held.ok()) return Say(TraceMessages(command, held.status()));
  // Not the session, which may be released meanwhile.
  const std::shared_ptr<SpanRecorder> spans = (*held)->spans();
  const uint64_t number = spans->Begin(WindowOf(command.trace_stage()));
  traces_.Add(
      [this, command, spans, number] { Say(TraceMessages(command, spans->AwaitEnd(number))); });
}

v1::CommandResult Agent::Do(const v1::Command& command) {
  v1::CommandResult result;
  const auto set = [](const auto& value, auto* payload) {
    if (value.ok()) *payload = *value;
    return value.status();
  };
  absl::Status status;
  switch (command.command_case()) {
    case v1::Command::kMeasureLayers:
      status = set(engine_->MeasureLayers(command.measure_layers().spec()),
                   result.mutable_layer_costs());
      break;
    case v1::Command::kGenerateText:
      status = set(engine_->Generate(command.generate_text()), result.mutable_generated());
      break;
    case v1::Command::kHoldStage: {
      const absl::StatusOr<int64_t> at_update = Hold(command.hold_stage());
      status = at_update.status();
      if (at_update.ok()) result.set_held_at_update(*at_update);
      break;
    }
    case v1::Command::kSyncClock:
      // When it leaves, the thread that writes says.
      result.mutable_clock()->set_sent_unix_nanos(command.sync_clock().sent_unix_nanos());
      result.mutable_clock()->set_received_unix_nanos(absl::ToUnixNanos(AnchoredNow()));
      break;
    default:
      status = DoPlain(command);
  }
  result.set_id(command.id());
  result.set_code(static_cast<int>(status.code()));
  result.set_message(std::string(status.message()));
  return result;
}

absl::Status Agent::DoPlain(const v1::Command& command) {
  switch (command.command_case()) {
    case v1::Command::kPrepareStage:
      return Prepare(command.prepare_stage());
    case v1::Command::kStartStage: {
      const auto held = Find(command.start_stage().key());
      return held.ok() ? (*held)->Start() : held.status();
    }
    case v1::Command::kReleaseStage:
      return Release(command.release_stage().key());
    case v1::Command::kCommitCheckpoint: {
      const auto held = Find(command.commit_checkpoint().key());
      return held.ok() ? (*held)->Commit(command.commit_checkpoint()) : held.status();
    }
    case v1::Command::kStopStage:
      return Find(command.stop_stage().key()).status();
    case v1::Command::kLeave:
      Leave(command.leave().reason(), absl::ZeroDuration());
      return absl::OkStatus();
    default:
      return absl::UnimplementedError("this version of paci-worker does not know the command");
  }
}

absl::StatusOr<int64_t> Agent::Hold(const v1::HoldStage& command) {
  const auto held = Find(command.key());
  if (!held.ok()) return held.status();
  return (*held)->Hold(command);
}

absl::Status Agent::Prepare(const v1::PrepareStage& command) {
  std::shared_ptr<StageSession> held = session();
  Inheritance inherited;
  if (held != nullptr && !IsSame(held->key(), command.key())) {
    const bool is_successor = held->key().job_id() == command.key().job_id() &&
                              held->key().generation() < command.key().generation();
    if (!is_successor) {
      return absl::FailedPreconditionError(
          absl::StrCat("worker ", options_.worker_name, " still holds ", ToString(held->key())));
    }
    held->Stop(absl::CancelledError("a newer generation takes its place"));
    held->AwaitOver();
    if (held->key().generation() == command.inherits_generation() &&
        held->key().stage() == command.key().stage()) {
      absl::StatusOr<Inheritance> left = held->Bequeath(command);
      if (!left.ok()) return left.status();
      inherited = *std::move(left);
    }
    (void)Release(held->key());
    held.reset();
  }
  if (held == nullptr) {
    {
      absl::MutexLock lock(&mutex_);
      if (!leaving_reason_.empty()) {
        return absl::FailedPreconditionError(
            absl::StrCat("worker ", options_.worker_name, " is leaving: ", leaving_reason_));
      }
    }
    held = std::make_shared<StageSession>(command, std::move(inherited), options_.worker_name,
                                          transports_, engine_, [this] { Wake(); });
    absl::MutexLock lock(&mutex_);
    session_ = held;
  }
  return held->AwaitPrepared();
}

absl::Status Agent::Release(const v1::StageKey& key) {
  absl::StatusOr<std::shared_ptr<StageSession>> held = Find(key);
  if (!held.ok()) return session() == nullptr ? absl::OkStatus() : held.status();
  (*held)->Stop(absl::CancelledError("the stage was released"));
  // Until then it is held, and a worker that dials again says so.
  (*held)->AwaitOver();
  {
    absl::MutexLock lock(&mutex_);
    session_.reset();
  }
  held->reset();
  absl::MutexLock lock(&mutex_);
  if (!leaving_reason_.empty()) has_left_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<StageSession>> Agent::Find(const v1::StageKey& key) const {
  std::shared_ptr<StageSession> held = session();
  if (held != nullptr && IsSame(held->key(), key)) return held;
  return absl::FailedPreconditionError(
      absl::StrCat("worker ", options_.worker_name, " does not hold ", ToString(key), "; it ",
                   held == nullptr ? "is idle" : absl::StrCat("holds ", ToString(held->key()))));
}

std::shared_ptr<StageSession> Agent::session() const {
  absl::MutexLock lock(&mutex_);
  return session_;
}

std::optional<HeldStage> Agent::Held() const {
  const std::shared_ptr<StageSession> held = session();
  if (held == nullptr) return std::nullopt;
  return HeldStage{held->key(), held->Status()};
}

void Agent::Say(std::vector<v1::WorkerMessage> messages) {
  absl::MutexLock lock(&mutex_);
  for (v1::WorkerMessage& message : messages) outgoing_.push_back(std::move(message));
}

void Agent::Wake() {
  absl::MutexLock lock(&mutex_);
  is_report_due_ = true;
}

bool Agent::Leave(const std::string& reason, absl::Duration patience) {
  bool is_idle = false;
  {
    absl::MutexLock lock(&mutex_);
    if (leaving_reason_.empty()) {
      leaving_reason_ = reason;
      outgoing_.emplace_back().mutable_leaving()->set_reason(reason);
    }
    is_idle = session_ == nullptr;
    if (is_idle) has_left_ = true;
    mutex_.AwaitWithTimeout(absl::Condition(&has_left_), patience);
    if (!has_left_) return false;
    mutex_.AwaitWithTimeout(absl::Condition(&is_stream_over_), kFarewell);
  }
  EndStream();
  return true;
}

void Agent::Abort(const std::string& reason) {
  if (const auto held = session(); held != nullptr) {
    held->Stop(absl::UnavailableError(reason));
    (void)Release(held->key());
  }
  {
    absl::MutexLock lock(&mutex_);
    has_left_ = true;
  }
  EndStream();
}

}  // namespace paci
