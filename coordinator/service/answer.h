#pragma once

#include <grpcpp/grpcpp.h>

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/rpc/status.h"
#include "coordinator/service/core.h"

namespace paci {

// Has `work` done on the core's thread, and answers the call with what it returns once that is
// stored. The call's request lives until then.
template <typename Response>
grpc::ServerUnaryReactor* Answer(Core* core, grpc::CallbackServerContext* context,
                                 Response* response,
                                 absl::AnyInvocable<absl::StatusOr<Response>(CoreState&)> work) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::Status posted =
      core->Post([reactor, response, work = std::move(work)](CoreState& state) mutable -> Reply {
        return [reactor, response, result = work(state)](const absl::Status& stored) mutable {
          const absl::Status status = stored.ok() ? result.status() : stored;
          if (status.ok()) *response = *std::move(result);
          reactor->Finish(ToGrpcStatus(status));
        };
      });
  if (!posted.ok()) reactor->Finish(ToGrpcStatus(posted));
  return reactor;
}

// The same for what needs no core.
inline grpc::ServerUnaryReactor* AnswerNow(grpc::CallbackServerContext* context,
                                           const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace paci
