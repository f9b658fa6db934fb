#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "coordinator/job/effects.h"
#include "coordinator/service/core.h"
#include "paci/v1/worker.grpc.pb.h"

namespace paci {

class WorkerStream;

// The open streams by their number, for those who have something to send. Thread-safe. Outlives its
// streams.
class WorkerStreams {
 public:
  void Send(StreamId stream, v1::CoordinatorMessage message);
  void Close(StreamId stream, const absl::Status& reason);
  // Ends the streams that have been open for a while and said nothing.
  void CloseSilent(absl::Time now);
  // Ends all streams, and refuses new ones. Their end is not reported to the core: the workers are
  // not lost, the coordinator is.
  void CloseAll(const absl::Status& reason);

 private:
  friend class WorkerStream;

  absl::StatusOr<StreamId> Add(std::shared_ptr<WorkerStream> stream);
  void Remove(StreamId stream);
  void OnFirstMessage(StreamId stream);
  bool is_closed();
  std::shared_ptr<WorkerStream> Find(StreamId stream);

  absl::Mutex mutex_;
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  StreamId next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<StreamId, std::shared_ptr<WorkerStream>> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<StreamId, absl::Time> silent_since_ ABSL_GUARDED_BY(mutex_);
};

// The worker's side of the wire. Thread-safe.
class WorkerServiceImpl final : public v1::WorkerService::CallbackService {
 public:
  WorkerServiceImpl(Core* core, WorkerStreams* streams) : core_(core), streams_(streams) {}

  grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Connect(
      grpc::CallbackServerContext* context) override;

 private:
  Core* const core_;
  WorkerStreams* const streams_;
};

}  // namespace paci
