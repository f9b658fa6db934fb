#include "coordinator/service/generate_calls.h"

#include <utility>

#include "common/rpc/deadline.h"
#include "common/rpc/status.h"

namespace paci {

// One call. Deletes itself when gRPC is done with it.
class GenerateCall final : public grpc::ServerUnaryReactor {
 public:
  GenerateCall(GenerateCalls* calls, v1::GenerateResponse* response)
      : calls_(calls), response_(response) {}

  void OnCancel() override { calls_->End({ticket_, absl::CancelledError("the caller went away")}); }
  void OnDone() override { delete this; }

 private:
  friend class GenerateCalls;

  GenerateCalls* const calls_;
  v1::GenerateResponse* const response_;
  GenerateTicket ticket_ = 0;
};

grpc::ServerUnaryReactor* GenerateCalls::Begin(Core* core, const v1::GenerateRequest& request,
                                               v1::GenerateResponse* response) {
  auto* const call = new GenerateCall(this, response);
  {
    absl::MutexLock lock(&mutex_);
    if (!closed_.ok()) {
      call->Finish(ToGrpcStatus(closed_));
      return call;
    }
    call->ticket_ = next_++;
    calls_[call->ticket_] = call;
  }
  // The request ends with its call, which may be before its work is done.
  const GenerateTicket ticket = call->ticket_;
  const absl::Status posted = core->Post([this, ticket, request](CoreState& state) -> Reply {
    const absl::Status accepted =
        state.controller.Generate(ticket, request, state.now + kGenerateDeadline, state.now);
    return [this, ticket, accepted](const absl::Status& stored) {
      if (!stored.ok()) return End({ticket, stored});
      if (!accepted.ok()) End({ticket, accepted});
    };
  });
  if (!posted.ok()) End({ticket, posted});
  return call;
}

void GenerateCalls::End(GenerateOutcome outcome) {
  absl::MutexLock lock(&mutex_);
  const auto it = calls_.find(outcome.ticket);
  if (it == calls_.end()) return;
  GenerateCall* const call = it->second;
  calls_.erase(it);
  const absl::Status status = outcome.response.status();
  if (status.ok()) *call->response_ = *std::move(outcome.response);
  call->Finish(ToGrpcStatus(status));
}

void GenerateCalls::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = reason;
  for (const auto& [ticket, call] : calls_) call->Finish(ToGrpcStatus(reason));
  calls_.clear();
}

}  // namespace paci
