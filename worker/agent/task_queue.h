#pragma once

#include <deque>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace paci {

// One named thread that runs tasks in order. Thread-safe. The destructor drops what has not begun
// and waits for the task that has.
class TaskQueue {
 public:
  explicit TaskQueue(const std::string& thread_name);
  ~TaskQueue();

  void Add(absl::AnyInvocable<void()> task);

 private:
  void Run();

  absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace paci
