#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// What a span is of.
struct SpanKey {
  v1::SpanKind kind = v1::SPAN_KIND_UNSPECIFIED;
  int64_t index = 0;
  int64_t chunk = 0;  // of the model chunks of the stage
};

// Keeps what a stage does over a window, for a trace. While it is off, which is nearly always, a
// span costs a branch and the few words that say what is being done. While it is on, an Add writes
// into memory that was taken before the window began; when that is used up the window ends. One
// recording at a time: a new one takes the place of an earlier one. Thread-safe; the mutex is held
// for one append at a time.
class SpanRecorder {
 public:
  using Clock = std::chrono::steady_clock;

  struct Window {
    uint64_t updates = 0;  // that are finished after the one at hand; 0: no limit
    absl::Duration limit;
    size_t max_spans = 0;
  };
  struct RecordedSpan : SpanKey {
    Clock::time_point begin;
    Clock::time_point end;
    bool goes_on = false;  // at the end of the window
  };
  struct Recording {
    Clock::time_point began;
    std::vector<RecordedSpan> spans;  // by end
    std::string cut_short;            // why it is less than was asked for; empty: it is not
  };

  bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
  // From the stage's thread: what it does since then, and that it is done. Whether it is on or not,
  // so that a window shows what began long before it and does not end.
  void Start(const SpanKey& key, Clock::time_point since) {
    doing_.store(0, std::memory_order_release);
    since_.store(since.time_since_epoch().count(), std::memory_order_release);
    doing_.store(Pack(key), std::memory_order_release);
  }
  void Finish(const SpanKey& key, Clock::time_point begin, Clock::time_point end) {
    Stop();
    Add(key, begin, end);
  }
  // The same of what is no span, or is one only later.
  void Stop() { doing_.store(0, std::memory_order_release); }
  // What the stage's thread has started and not finished, and since when; nullopt: it is between
  // two. Takes no lock.
  struct Doing {
    SpanKey key;
    Clock::time_point since;
  };
  std::optional<Doing> DoingNow() const;

  // The beginning of a span that may be added later; while it is off, no time at all.
  Clock::time_point Now() const { return is_on() ? Clock::now() : Clock::time_point(); }

  void Add(const SpanKey& key, Clock::time_point begin, Clock::time_point end) {
    if (is_on()) Append({key, begin, end});
  }
  // Up to now; nothing if Now() was asked while it was off.
  void AddSince(Clock::time_point begin, const SpanKey& key) {
    if (is_on() && begin != Clock::time_point()) Append({key, begin, Clock::now()});
  }
  void AddInstant(const SpanKey& key) { AddSince(Now(), key); }

  // Begins a window; the number of the recording.
  uint64_t Begin(const Window& window);
  // Blocks until the window is over. ABORTED: another recording took its place.
  absl::StatusOr<Recording> AwaitEnd(uint64_t number);
  // The stage does nothing any more: the window at hand, and every later one, is over.
  void Close(const std::string& reason);

 private:
  // A key as one word, so that it is read whole: kind 8 bits, chunk 8, index 48.
  static uint64_t Pack(const SpanKey& key) {
    return static_cast<uint64_t>(key.kind) << 56 | static_cast<uint64_t>(key.chunk) << 48 |
           static_cast<uint64_t>(key.index);
  }
  static SpanKey Unpack(uint64_t word) {
    return {static_cast<v1::SpanKind>(word >> 56), static_cast<int64_t>(word & 0xffffffffffff),
            static_cast<int64_t>(word >> 48 & 0xff)};
  }

  // What the stage is in the middle of.
  void AppendUnfinished() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Append(const RecordedSpan& span);
  void EndLocked(const std::string& cut_short) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<bool> is_on_{false};  // written under the mutex
  std::atomic<uint64_t> doing_{0};  // a packed key; 0: nothing, or it changes just now
  std::atomic<Clock::rep> since_{0};
  absl::Mutex mutex_;
  uint64_t number_ ABSL_GUARDED_BY(mutex_) = 0;
  Window window_ ABSL_GUARDED_BY(mutex_);
  uint64_t updates_ ABSL_GUARDED_BY(mutex_) = 0;  // finished in this window
  Recording recording_ ABSL_GUARDED_BY(mutex_);
  std::string closed_ ABSL_GUARDED_BY(mutex_);  // not empty: why nothing more comes
};

}  // namespace paci
