// For ThreadSanitizer builds only: tells it what the distribution's Abseil, which is built without
// it, does to order threads. Wraps the calls of absl::Mutex, absl::Notification and
// absl::BlockingCounter that this project makes.
#include <dlfcn.h>

#include <cstdlib>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);

// What is ordered inside the library, where ThreadSanitizer does not see it: the last holder of a
// Status, who frees it, after the reads of the others; and the graph in which it looks for cycles
// of locks, under a lock of its own.
const char* __tsan_default_suppressions() {
  return "race:Status::Unref\nrace:synchronization_internal::GraphCycles\n";
}
}

namespace {

template <typename Function>
Function* Next(const char* symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol);
  if (found == nullptr) std::abort();
  return reinterpret_cast<Function*>(found);
}

// A mutex evaluates the conditions of those who wait, on any thread that holds it.
class IgnoreConditions {
 public:
  IgnoreConditions() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreConditions() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

// Mangled names of the members below, within Abseil's inline namespace.
#define PACI_ABSL "_ZN4absl7debian3"
#define PACI_ABSL_CONST "_ZNK4absl7debian3"

void Mutex::Lock() {
  static auto* const next = Next<void(Mutex*)>(PACI_ABSL "5Mutex4LockEv");
  IgnoreConditions ignore;
  next(this);
  __tsan_acquire(this);
}

void Mutex::Unlock() {
  static auto* const next = Next<void(Mutex*)>(PACI_ABSL "5Mutex6UnlockEv");
  __tsan_release(this);
  IgnoreConditions ignore;
  next(this);
}

void Mutex::ReaderLock() {
  static auto* const next = Next<void(Mutex*)>(PACI_ABSL "5Mutex10ReaderLockEv");
  IgnoreConditions ignore;
  next(this);
  __tsan_acquire(this);
}

void Mutex::ReaderUnlock() {
  static auto* const next = Next<void(Mutex*)>(PACI_ABSL "5Mutex12ReaderUnlockEv");
  __tsan_release(this);
  IgnoreConditions ignore;
  next(this);
}

void Mutex::Await(const Condition& condition) {
  static auto* const next =
      Next<void(Mutex*, const Condition&)>(PACI_ABSL "5Mutex5AwaitERKNS0_9ConditionE");
  __tsan_release(this);
  IgnoreConditions ignore;
  next(this, condition);
  __tsan_acquire(this);
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Time)>(
      PACI_ABSL "5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE");
  __tsan_release(this);
  IgnoreConditions ignore;
  const bool holds = next(this, condition, deadline);
  __tsan_acquire(this);
  return holds;
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  static auto* const next = Next<bool(Mutex*, const Condition&, Duration)>(
      PACI_ABSL "5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE");
  __tsan_release(this);
  IgnoreConditions ignore;
  const bool holds = next(this, condition, timeout);
  __tsan_acquire(this);
  return holds;
}

void Notification::Notify() {
  static auto* const next = Next<void(Notification*)>(PACI_ABSL "12Notification6NotifyEv");
  __tsan_release(this);
  next(this);
}

void Notification::WaitForNotification() const {
  static auto* const next =
      Next<void(const Notification*)>(PACI_ABSL_CONST "12Notification19WaitForNotificationEv");
  next(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  static auto* const next = Next<bool(const Notification*, Duration)>(
      PACI_ABSL_CONST "12Notification30WaitForNotificationWithTimeoutENS0_8DurationE");
  const bool has_come = next(this, timeout);
  __tsan_acquire(const_cast<Notification*>(this));
  return has_come;
}

bool BlockingCounter::DecrementCount() {
  static auto* const next =
      Next<bool(BlockingCounter*)>(PACI_ABSL "15BlockingCounter14DecrementCountEv");
  __tsan_release(this);
  return next(this);
}

void BlockingCounter::Wait() {
  static auto* const next = Next<void(BlockingCounter*)>(PACI_ABSL "15BlockingCounter4WaitEv");
  next(this);
  __tsan_acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
