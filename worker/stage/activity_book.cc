#include "worker/stage/activity_book.h"

#include <utility>

#include "absl/time/time.h"

namespace paci {

void ActivityBook::Book(Activity activity) {
  const Clock::time_point now = Clock::now();
  if (!compute_.RunsAhead()) monitor_.OnActivity(activity, absl::FromChrono(now - booked_));
  booked_ = now;
}

void ActivityBook::Book(Activity activity, const SpanKey& key) {
  const Clock::time_point began = booked_;
  Book(activity);
  if (compute_.RunsAhead()) {
    spans_.Stop();
    before_ = {activity, key, /*has_span=*/true};
  } else {
    spans_.Finish(key, began, booked_);
  }
}

void ActivityBook::BookAction(Activity activity, const SpanKey& key) {
  if (!compute_.RunsAhead()) return Book(activity, key);
  booked_ = Clock::now();
  spans_.Stop();
  on_device_.push_back({std::exchange(before_, {}), {activity, key, /*has_span=*/true}});
  TakeTimes(/*all=*/false);
}

void ActivityBook::TakeTimes(bool all) {
  for (const ActionTime& time : compute_.TakeTimes(all)) {
    const Action action = on_device_.front();
    on_device_.pop_front();
    Add(action.before, time.begin_seconds - time.idle_seconds, time.idle_seconds);
    Add(action.action, time.begin_seconds, time.seconds);
  }
}

void ActivityBook::Add(const Part& part, double begin_seconds, double seconds) {
  monitor_.OnActivity(part.activity, absl::Seconds(seconds));
  if (!part.has_span) return;
  const auto at = [&](double s) {
    return began_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
  };
  spans_.Add(part.key, at(begin_seconds), at(begin_seconds + seconds));
}

}  // namespace paci
