#include "coordinator/service/worker_streams.h"

#include <deque>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

// Commands are few and acknowledgements small; a worker that leaves so many unread is stuck.
constexpr size_t kMaxUnsent = 4096;
constexpr size_t kMaxStreams = 8192;
constexpr absl::Duration kMaxSilence = absl::Seconds(10);

}  // namespace

// One stream. Reads one message, has the core take it in, reads the next: a worker that talks too
// much waits in its own network buffers. Thread-safe; gRPC calls On..., anybody the rest.
class WorkerStream final
    : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage> {
 public:
  WorkerStream(Core* core, WorkerStreams* streams, grpc::CallbackServerContext* context)
      : core_(core), streams_(streams), context_(context) {}

  // Keeps itself alive until gRPC is done with it.
  void Begin(std::shared_ptr<WorkerStream> self) {
    self_ = self;
    const absl::StatusOr<StreamId> id = streams_->Add(std::move(self));
    if (!id.ok()) {
      absl::MutexLock lock(&mutex_);
      is_reported_ = true;  // nobody has heard of it
      if (!is_ending_) EndLocked(id.status());
      return;
    }
    id_ = *id;
    StartRead(&incoming_);
  }

  void Send(v1::CoordinatorMessage message) {
    absl::MutexLock lock(&mutex_);
    if (is_ending_) return;
    if (unsent_.size() >= kMaxUnsent) {
      LogWarning("a worker does not read what it is sent; its stream is closed",
                 {{"peer", context_->peer()}});
      return EndLocked(absl::ResourceExhaustedError("too many unread messages"));
    }
    unsent_.push_back(std::move(message));
    if (unsent_.size() == 1) WriteFrontLocked();
  }

  void Close(const absl::Status& reason) {
    absl::MutexLock lock(&mutex_);
    if (!is_ending_) EndLocked(reason);
  }

  // Lets the message that is being written arrive first, for as long as the server has patience.
  void CloseInOrder(const absl::Status& reason) {
    absl::MutexLock lock(&mutex_);
    if (is_ending_) return;
    is_ending_ = true;
    reason_ = reason;
    if (unsent_.empty()) FinishLocked();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Lose("its control stream broke");
    if (incoming_.result().has_clock()) {
      incoming_.mutable_result()->mutable_clock()->set_returned_unix_nanos(
          absl::ToUnixNanos(Core::Now()));
    }
    if (!std::exchange(has_spoken_, true)) streams_->OnFirstMessage(id_);
    // The stream may end while its message waits for the core.
    const absl::Status posted =
        core_->Post([self = self_, message = std::move(incoming_)](CoreState& state) -> Reply {
          state.controller.OnMessage(self->id_, message, state.now);
          return [self](const absl::Status& stored) { self->ReadOn(stored); };
        });
    if (!posted.ok()) Lose(posted.message());
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    unsent_.pop_front();
    if (is_ending_ || !ok) {
      unsent_.clear();
      if (is_ending_ && !is_finished_) FinishLocked();
      return;
    }
    if (!unsent_.empty()) WriteFrontLocked();
  }

  void OnCancel() override { Lose("its control stream broke"); }

  void OnDone() override {
    Lose("its control stream ended");
    streams_->Remove(id_);
    self_.reset();
  }

 private:
  void ReadOn(const absl::Status& stored) {
    absl::MutexLock lock(&mutex_);
    if (is_ending_) return;
    if (!stored.ok()) return EndLocked(stored);
    incoming_.Clear();
    StartRead(&incoming_);
  }

  // A question about clocks says when it left.
  void WriteFrontLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    v1::CoordinatorMessage& message = unsent_.front();
    if (message.command().has_sync_clock()) {
      message.mutable_command()->mutable_sync_clock()->set_sent_unix_nanos(
          absl::ToUnixNanos(Core::Now()));
    }
    StartWrite(&message);
  }

  void Lose(absl::string_view why) {
    {
      absl::MutexLock lock(&mutex_);
      if (!is_ending_) EndLocked(absl::CancelledError(why));
      if (std::exchange(is_reported_, true) || streams_->is_closed()) return;
    }
    // Refused only when the coordinator ends, or is so far behind that the lease will run out.
    (void)core_->Post([id = id_, why = std::string(why)](CoreState& state) -> Reply {
      state.controller.OnStreamLost(id, why, state.now);
      return [](const absl::Status&) {};
    });
  }

  // A write that is under way must complete before the end is announced.
  void EndLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    is_ending_ = true;
    reason_ = reason;
    if (unsent_.empty()) {
      FinishLocked();
    } else if (unsent_.size() > 1) {
      // It does not read, and would not see the reason either.
      context_->TryCancel();
    }
  }

  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    is_finished_ = true;
    Finish(ToGrpcStatus(reason_));
  }

  Core* const core_;
  WorkerStreams* const streams_;
  grpc::CallbackServerContext* const context_;
  StreamId id_ = 0;
  std::shared_ptr<WorkerStream> self_;
  v1::WorkerMessage incoming_;  // between StartRead and OnReadDone gRPC's, else ours
  bool has_spoken_ = false;     // used by OnReadDone only

  absl::Mutex mutex_;
  std::deque<v1::CoordinatorMessage> unsent_ ABSL_GUARDED_BY(mutex_);  // the first is being written
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_reported_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status reason_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<StreamId> WorkerStreams::Add(std::shared_ptr<WorkerStream> stream) {
  absl::MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  if (streams_.size() >= kMaxStreams) {
    return absl::ResourceExhaustedError(
        absl::StrCat(streams_.size(), " streams of workers are open, which is the limit"));
  }
  const StreamId id = next_++;
  streams_[id] = std::move(stream);
  silent_since_[id] = Core::Now();
  return id;
}

void WorkerStreams::Remove(StreamId stream) {
  absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
  silent_since_.erase(stream);
}

void WorkerStreams::OnFirstMessage(StreamId stream) {
  absl::MutexLock lock(&mutex_);
  silent_since_.erase(stream);
}

bool WorkerStreams::is_closed() {
  absl::MutexLock lock(&mutex_);
  return !closed_.ok();
}

void WorkerStreams::CloseSilent(absl::Time now) {
  std::vector<std::shared_ptr<WorkerStream>> silent;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, since] : silent_since_) {
      if (now - since > kMaxSilence) silent.push_back(streams_.at(id));
    }
  }
  for (const auto& stream : silent) {
    stream->Close(absl::DeadlineExceededError("no Hello came on this stream"));
  }
}

void WorkerStreams::CloseAll(const absl::Status& reason) {
  std::map<StreamId, std::shared_ptr<WorkerStream>> streams;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = reason;
    streams = streams_;
  }
  for (const auto& [id, stream] : streams) stream->CloseInOrder(reason);
}

std::shared_ptr<WorkerStream> WorkerStreams::Find(StreamId stream) {
  absl::MutexLock lock(&mutex_);
  const auto it = streams_.find(stream);
  return it == streams_.end() ? nullptr : it->second;
}

void WorkerStreams::Send(StreamId stream, v1::CoordinatorMessage message) {
  if (const auto found = Find(stream)) found->Send(std::move(message));
}

void WorkerStreams::Close(StreamId stream, const absl::Status& reason) {
  if (const auto found = Find(stream)) found->Close(reason);
}

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* WorkerServiceImpl::Connect(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<WorkerStream>(core_, streams_, context);
  WorkerStream* const reactor = stream.get();
  reactor->Begin(std::move(stream));
  return reactor;
}

}  // namespace paci
