#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "common/schedule/schedule.h"

namespace paci {

// Everything that reaches a stage from outside its thread, as counts: transfers complete in order,
// so a count says which.
struct Arrivals {
  int64_t begun = 0;        // at the first stage: micro-batches whose first forward has begun
  int64_t activations = 0;  // training frames received
  int64_t evaluation_activations = 0;  // validation frames received
  int64_t gradients = 0;               // received
  int64_t outputs_sent = 0;            // training and validation outputs handed to the network
  int64_t gradients_sent = 0;          // handed to the network
  int64_t hold_at = kNoHold;
  absl::Status failure;  // the first error of a channel, or the reason of a stop
};

// Where the stage's thread blocks. Thread-safe.
class Inbox {
 public:
  void Update(absl::FunctionRef<void(Arrivals&)> change) ABSL_LOCKS_EXCLUDED(mutex_);
  // A failure wakes the stage; the first one is kept.
  void Fail(const absl::Status& failure);

  Arrivals Get() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Blocks until something changed since the last Get or Wait of the one waiting thread.
  Arrivals Wait() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  mutable absl::Mutex mutex_;
  Arrivals arrivals_ ABSL_GUARDED_BY(mutex_);
  mutable bool has_news_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace paci
