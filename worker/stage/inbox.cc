#include "worker/stage/inbox.h"

namespace paci {

void Inbox::Update(absl::FunctionRef<void(Arrivals&)> change) {
  absl::MutexLock lock(&mutex_);
  change(arrivals_);
  has_news_ = true;
}

void Inbox::Fail(const absl::Status& failure) {
  Update([&](Arrivals& arrivals) {
    if (arrivals.failure.ok()) arrivals.failure = failure;
  });
}

Arrivals Inbox::Get() const {
  absl::MutexLock lock(&mutex_);
  has_news_ = false;
  return arrivals_;
}

Arrivals Inbox::Wait() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&has_news_));
  has_news_ = false;
  return arrivals_;
}

}  // namespace paci
