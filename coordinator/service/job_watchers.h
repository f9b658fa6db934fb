#pragma once

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/service/core.h"
#include "coordinator/store/store_contents.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci {

class JobWatcher;

// The streams of WatchJob. Each is shown the newest state of its job when it is ready for it, so a
// slow reader costs no memory and skips what is past. Thread-safe; outlives its streams.
class JobWatchers {
 public:
  explicit JobWatchers(size_t max_watchers = 1024) : max_watchers_(max_watchers) {}

  grpc::ServerWriteReactor<v1::Job>* Watch(Core* core, const v1::WatchJobRequest& request);

  // Jobs that have changed, when the change is stored.
  void Show(const std::vector<StoredJob>& jobs);
  // Sends what is due. Called at least every tick of the controller.
  void Flush(absl::Time now);
  // Ends all streams, and refuses new ones.
  void Close(const absl::Status& reason);

 private:
  friend class JobWatcher;

  absl::Status Add(JobWatcher* watcher) ABSL_LOCKS_EXCLUDED(mutex_);
  void FlushLocked(JobWatcher& watcher, absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndLocked(JobWatcher& watcher, const absl::Status& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t max_watchers_;
  absl::Mutex mutex_;  // guards the watchers as well
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<uint64_t, std::shared_ptr<JobWatcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paci
