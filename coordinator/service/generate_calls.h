#pragma once

#include <grpcpp/grpcpp.h>

#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/job/effects.h"
#include "coordinator/service/core.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci {

class GenerateCall;

// The calls of Generate that wait for a worker, by their ticket. Thread-safe; outlives its calls.
class GenerateCalls {
 public:
  grpc::ServerUnaryReactor* Begin(Core* core, const v1::GenerateRequest& request,
                                  v1::GenerateResponse* response);

  // Answers the call, if its caller still waits.
  void End(GenerateOutcome outcome);
  // Ends all calls, and refuses new ones.
  void Close(const absl::Status& reason);

 private:
  friend class GenerateCall;

  absl::Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  GenerateTicket next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<GenerateTicket, GenerateCall*> calls_ ABSL_GUARDED_BY(mutex_);  // not answered yet
};

}  // namespace paci
