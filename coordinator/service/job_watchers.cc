#include "coordinator/service/job_watchers.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/rpc/status.h"
#include "coordinator/job/job_machine.h"

namespace paci {
namespace {

constexpr absl::Duration kDefaultInterval = absl::Milliseconds(500);
constexpr double kMaxIntervalSeconds = 3600;

absl::StatusOr<absl::Duration> IntervalOf(const v1::WatchJobRequest& request) {
  const double seconds = request.min_interval_seconds();
  if (!(seconds >= 0 && seconds <= kMaxIntervalSeconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("min_interval_seconds is ", seconds, "; expected 0..", kMaxIntervalSeconds));
  }
  return seconds == 0 ? kDefaultInterval : absl::Seconds(seconds);
}

}  // namespace

// One stream. Its state is guarded by the mutex of JobWatchers; gRPC calls On....
class JobWatcher final : public grpc::ServerWriteReactor<v1::Job> {
 public:
  JobWatcher(JobWatchers* watchers, std::string job_id, absl::Duration interval)
      : watchers_(watchers), job_id_(std::move(job_id)), interval_(interval) {}

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&watchers_->mutex_);
    is_writing_ = false;
    if (is_ending_) return FinishLocked();
    if (!ok) return watchers_->EndLocked(*this, absl::CancelledError("the stream broke"));
    if (IsEnded(written_->state())) watchers_->EndLocked(*this, absl::OkStatus());
  }

  void OnCancel() override {
    absl::MutexLock lock(&watchers_->mutex_);
    watchers_->EndLocked(*this, absl::CancelledError("the caller went away"));
  }

  void OnDone() override {
    std::shared_ptr<JobWatcher> self;  // released after the mutex
    absl::MutexLock lock(&watchers_->mutex_);
    watchers_->watchers_.erase(number_);
    self = std::move(self_);
  }

 private:
  friend class JobWatchers;

  void FinishLocked() {
    if (std::exchange(is_finished_, true)) return;
    Finish(ToGrpcStatus(reason_));
  }

  JobWatchers* const watchers_;
  const std::string job_id_;
  const absl::Duration interval_;
  std::shared_ptr<JobWatcher> self_;  // until gRPC is done with it
  uint64_t number_ = 0;               // 0: not shown anything

  std::shared_ptr<const v1::Job> newest_;   // not written yet
  std::shared_ptr<const v1::Job> written_;  // the last; kept while it is being written
  absl::Time next_write_ = absl::InfinitePast();
  bool is_writing_ = false;
  bool is_ending_ = false;
  bool is_finished_ = false;
  absl::Status reason_;
};

grpc::ServerWriteReactor<v1::Job>* JobWatchers::Watch(Core* core,
                                                      const v1::WatchJobRequest& request) {
  const absl::StatusOr<absl::Duration> interval = IntervalOf(request);
  auto watcher = std::make_shared<JobWatcher>(this, request.job_id(),
                                              interval.ok() ? *interval : kDefaultInterval);
  JobWatcher* const reactor = watcher.get();
  {
    absl::MutexLock lock(&mutex_);
    reactor->self_ = watcher;
  }
  absl::Status status = interval.ok() ? Add(reactor) : interval.status();
  if (status.ok()) {
    // What the core's thread shows between the work and its reply is newer than this.
    status = core->Post([this, watcher](CoreState& state) -> Reply {
      absl::StatusOr<v1::Job> job = state.controller.Get(watcher->job_id_);
      const absl::Status found = job.status();
      absl::MutexLock lock(&mutex_);
      if (job.ok()) watcher->newest_ = std::make_shared<const v1::Job>(*std::move(job));
      return [this, watcher, found](const absl::Status& stored) {
        if (stored.ok() && found.ok()) return;
        absl::MutexLock end_lock(&mutex_);
        EndLocked(*watcher, stored.ok() ? found : stored);
      };
    });
  }
  if (!status.ok()) {
    absl::MutexLock lock(&mutex_);
    EndLocked(*reactor, status);
  }
  return reactor;
}

absl::Status JobWatchers::Add(JobWatcher* watcher) {
  absl::MutexLock lock(&mutex_);
  if (!closed_.ok()) return closed_;
  if (watchers_.size() >= max_watchers_) {
    return absl::ResourceExhaustedError(
        absl::StrCat(watchers_.size(), " callers watch jobs already, which is the limit"));
  }
  watcher->number_ = next_++;
  watchers_[watcher->number_] = watcher->self_;
  return absl::OkStatus();
}

void JobWatchers::Show(const std::vector<StoredJob>& jobs) {
  absl::MutexLock lock(&mutex_);
  if (watchers_.empty()) return;
  for (const StoredJob& stored : jobs) {
    std::shared_ptr<const v1::Job> job;
    for (auto& [number, watcher] : watchers_) {
      if (watcher->job_id_ != stored.job.id()) continue;
      if (job == nullptr) job = std::make_shared<const v1::Job>(stored.job);
      watcher->newest_ = job;
    }
  }
}

void JobWatchers::Flush(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  for (auto& [number, watcher] : watchers_) FlushLocked(*watcher, now);
}

void JobWatchers::FlushLocked(JobWatcher& watcher, absl::Time now) {
  if (watcher.newest_ == nullptr || watcher.is_writing_ || watcher.is_ending_) return;
  // Nobody waits for the end of a job.
  if (now < watcher.next_write_ && !IsEnded(watcher.newest_->state())) return;
  watcher.written_ = std::move(watcher.newest_);
  watcher.next_write_ = now + watcher.interval_;
  watcher.is_writing_ = true;
  watcher.StartWrite(watcher.written_.get());
}

void JobWatchers::EndLocked(JobWatcher& watcher, const absl::Status& reason) {
  if (watcher.is_ending_) return;
  watcher.is_ending_ = true;
  watcher.reason_ = reason;
  if (!watcher.is_writing_) watcher.FinishLocked();
}

void JobWatchers::Close(const absl::Status& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = reason;
  for (auto& [number, watcher] : watchers_) EndLocked(*watcher, reason);
}

}  // namespace paci
