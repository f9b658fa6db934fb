#include "worker/stage/span_recorder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/text/short_duration.h"

namespace paci {
namespace {

// What its own thread does, one after another.
bool IsOfStage(v1::SpanKind kind) { return kind <= v1::SPAN_KIND_HELD; }

}  // namespace

uint64_t SpanRecorder::Begin(const Window& window) {
  std::vector<RecordedSpan> spans;
  spans.reserve(window.max_spans);
  absl::MutexLock lock(&mutex_);
  ++number_;
  window_ = window;
  updates_ = 0;
  recording_ = {Clock::now(), std::move(spans), closed_};
  is_on_.store(closed_.empty(), std::memory_order_relaxed);
  return number_;
}

void SpanRecorder::Append(const RecordedSpan& span) {
  absl::MutexLock lock(&mutex_);
  if (!is_on()) return;
  if (recording_.spans.size() >= window_.max_spans) {
    return EndLocked(absl::StrCat("its ", window_.max_spans, " spans were used up"));
  }
  recording_.spans.push_back(span);
  if (span.kind != v1::SPAN_KIND_UPDATE) return;
  if (++updates_ > window_.updates && window_.updates > 0) EndLocked("");
}

std::optional<SpanRecorder::Doing> SpanRecorder::DoingNow() const {
  const uint64_t doing = doing_.load(std::memory_order_acquire);
  const Clock::time_point since{Clock::duration(since_.load(std::memory_order_acquire))};
  // Something else by now: `since` may be of either.
  if (doing == 0 || doing_.load(std::memory_order_acquire) != doing) return std::nullopt;
  return Doing{Unpack(doing), since};
}

void SpanRecorder::AppendUnfinished() {
  const std::optional<Doing> doing = DoingNow();
  // What is over has been added.
  if (!doing) return;
  Clock::time_point begin = doing->since;
  if (recording_.spans.size() >= window_.max_spans) return;
  for (auto it = recording_.spans.rbegin(); it != recording_.spans.rend(); ++it) {
    if (!IsOfStage(it->kind)) continue;
    begin = std::max(begin, it->end);
    break;
  }
  recording_.spans.push_back({doing->key, begin, std::max(begin, Clock::now()), true});
}

void SpanRecorder::EndLocked(const std::string& cut_short) {
  is_on_.store(false, std::memory_order_relaxed);
  recording_.cut_short = cut_short;
}

absl::StatusOr<SpanRecorder::Recording> SpanRecorder::AwaitEnd(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  const auto is_over = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !is_on() || number_ != number;
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&is_over), window_.limit)) {
    AppendUnfinished();
    // The first of them was begun before the window.
    const uint64_t updates = updates_ > 0 ? updates_ - 1 : 0;
    EndLocked(window_.updates == 0 ? ""
                                   : absl::StrCat("it finished ", updates, " of ", window_.updates,
                                                  " updates in ", ShortDuration(window_.limit)));
  }
  if (number_ != number) {
    return absl::AbortedError("another trace of the stage took the place of this one");
  }
  return std::exchange(recording_, Recording());
}

void SpanRecorder::Close(const std::string& reason) {
  absl::MutexLock lock(&mutex_);
  closed_ = reason;
  if (is_on()) EndLocked(reason);
}

}  // namespace paci
