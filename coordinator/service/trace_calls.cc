#include "coordinator/service/trace_calls.h"

#include <utility>
#include <vector>

#include "common/rpc/status.h"

namespace paci {

// One call. Deletes itself when gRPC is done with it. Its messages are written one after another by
// gRPC's threads alone once it has left the list of those that wait.
class TraceCall final : public grpc::ServerWriteReactor<v1::StageTrace> {
 public:
  TraceCall(TraceCalls* calls, Core* core) : calls_(calls), core_(core) {}

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(ToGrpcStatus(absl::CancelledError("the caller went away")));
    WriteNext();
  }
  void OnCancel() override {
    calls_->Refuse(ticket_, absl::CancelledError("the caller went away"));
    // Refused only when the coordinator ends, or has so much to do that the window ends first.
    (void)core_->Post([ticket = ticket_](CoreState& state) -> Reply {
      state.controller.AbandonTrace(ticket);
      return [](const absl::Status&) {};
    });
  }
  void OnDone() override { delete this; }

 private:
  friend class TraceCalls;

  void WriteNext() {
    if (written_ == stages_.size()) return Finish(grpc::Status::OK);
    StartWrite(&stages_[written_++]);
  }

  TraceCalls* const calls_;
  Core* const core_;
  TraceTicket ticket_ = 0;
  std::vector<v1::StageTrace> stages_;
  size_t written_ = 0;
};

grpc::ServerWriteReactor<v1::StageTrace>* TraceCalls::Begin(Core* core,
                                                            const v1::TraceJobRequest& request) {
  auto* const call = new TraceCall(this, core);
  TraceTicket ticket = 0;
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_.ok()) {
      call->Finish(ToGrpcStatus(closed_));
      return call;
    }
    ticket = call->ticket_ = next_++;
    calls_[ticket] = call;
  }
  const absl::Status posted = core->Post([this, ticket, request](CoreState& state) -> Reply {
    const absl::Status accepted = state.controller.Trace(ticket, request, state.now);
    return [this, ticket, accepted](const absl::Status& stored) {
      if (!stored.ok()) return Refuse(ticket, stored);
      if (!accepted.ok()) Refuse(ticket, accepted);
    };
  });
  if (!posted.ok()) Refuse(ticket, posted);
  return call;
}

void TraceCalls::End(TraceOutcome outcome) {
  absl::MutexLock lock(&mutex_);
  const auto it = calls_.find(outcome.ticket);
  if (it == calls_.end()) return;
  TraceCall* const call = it->second;
  calls_.erase(it);
  call->stages_ = std::move(outcome.stages);
  call->WriteNext();
}

void TraceCalls::Refuse(TraceTicket ticket, const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  const auto it = calls_.find(ticket);
  if (it == calls_.end()) return;
  TraceCall* const call = it->second;
  calls_.erase(it);
  call->Finish(ToGrpcStatus(why));
}

void TraceCalls::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = reason;
  for (const auto& [ticket, call] : calls_) call->Finish(ToGrpcStatus(reason));
  calls_.clear();
}

}  // namespace paci
