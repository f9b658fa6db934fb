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

class TraceCall;

// The calls of TraceJob whose window is not over, by their ticket. Thread-safe; outlives its calls.
class TraceCalls {
 public:
  grpc::ServerWriteReactor<v1::StageTrace>* Begin(Core* core, const v1::TraceJobRequest& request);

  // Answers the call, if its caller still waits.
  void End(TraceOutcome outcome);
  // Ends all calls that wait, and refuses new ones.
  void Close(const absl::Status& reason);

 private:
  friend class TraceCall;

  void Refuse(TraceTicket ticket, const absl::Status& why);

  absl::Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  TraceTicket next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<TraceTicket, TraceCall*> calls_ ABSL_GUARDED_BY(mutex_);  // not answered yet
};

}  // namespace paci
