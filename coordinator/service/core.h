#pragma once

// coordinator/service: the shell around coordinator/job: the thread that owns the controller and
// the store, and the gRPC services that talk to it. Only main may depend on it. Guards: nothing is
// sent or answered before what it announces is in the store; no thread of gRPC ever waits; every
// queue and every list of callers has a limit.

#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "coordinator/job/controller.h"
#include "coordinator/store/job_store.h"

namespace paci {

// What a piece of work on the core's thread works with.
struct CoreState {
  Controller& controller;
  JobStore& store;
  absl::Time now;
};

// Called on the core's thread once the decisions of its work are stored, or with why they could not
// be.
using Reply = absl::AnyInvocable<void(const absl::Status& stored)>;
using Work = absl::AnyInvocable<Reply(CoreState& state)>;

struct CoreHooks {
  // Carries out what follows the transaction; on the core's thread.
  std::function<void(Effects effects, absl::Time now)> deliver;
  // The store cannot be written any more, so that nothing can be decided: the process is to end.
  // What workers do goes on, and the next start picks it up.
  std::function<void(const absl::Status& why)> on_fatal;
};

// Owns the thread "paci-core". Thread-safe.
class Core {
 public:
  Core(Controller controller, std::unique_ptr<JobStore> store, absl::Duration tick,
       CoreHooks hooks);
  // Does the work that was accepted, then ends.
  ~Core();

  // OK: `work` will be called, and then its reply. UNAVAILABLE: the coordinator ends.
  // RESOURCE_EXHAUSTED: too much work waits.
  absl::Status Post(Work work);

  // By a clock that nobody sets: leases survive a change of the wall clock.
  static absl::Time Now();

 private:
  void Run();
  std::deque<Work> TakeWork(absl::Time deadline);
  void DoBatch(std::deque<Work> batch, absl::Time& next_tick);

  Controller controller_;
  const std::unique_ptr<JobStore> store_;
  const absl::Duration tick_;
  const CoreHooks hooks_;
  absl::Status fatal_;  // touched by the core's thread only

  absl::Mutex mutex_;
  std::deque<Work> mailbox_ ABSL_GUARDED_BY(mutex_);
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paci
