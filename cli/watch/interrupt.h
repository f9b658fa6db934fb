#pragma once

#include <signal.h>

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"

namespace paci::cli {

// While it lives, Ctrl-C (SIGINT) and SIGTERM do not end the process but cancel the call in
// progress and end waits. Make it before the first gRPC object: threads inherit which signals are
// blocked. Thread-safe; owns the thread "pacictl-signal".
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool caught() const;
  // Returns early, with true, when a signal is caught.
  bool WaitFor(absl::Duration duration);

  // Cancels `context` when a signal is caught, for as long as the scope lives.
  class Scope {
   public:
    // `interrupt` may be nullptr: nothing is cancelled.
    Scope(Interrupt* interrupt, grpc::ClientContext* context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt* const interrupt_;
  };

 private:
  void WaitForSignals();

  sigset_t signals_;
  sigset_t previous_;
  mutable absl::Mutex mutex_;
  bool caught_ ABSL_GUARDED_BY(mutex_) = false;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::thread thread_;
};

}  // namespace paci::cli
