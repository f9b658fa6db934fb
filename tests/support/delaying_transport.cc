#include "tests/support/delaying_transport.h"

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"

namespace paci {
namespace {

// Runs tasks on its own thread at their times. Thread-safe. What is not due when it ends is
// dropped.
class Timetable {
 public:
  Timetable() : thread_([this] { Run(); }) {}
  ~Timetable() {
    {
      absl::MutexLock lock(&mutex_);
      is_over_ = true;
    }
    thread_.join();
  }

  void At(absl::Time time, std::function<void()> task) {
    absl::MutexLock lock(&mutex_);
    tasks_.emplace(time, std::move(task));
  }
  bool IsThisThread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void Run() {
    absl::MutexLock lock(&mutex_);
    while (!is_over_) {
      if (tasks_.empty()) {
        mutex_.Await(absl::Condition(this, &Timetable::HasWork));
      } else if (const absl::Time next = tasks_.begin()->first; absl::Now() < next) {
        const auto is_earlier = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return is_over_ || tasks_.begin()->first < next;
        };
        mutex_.AwaitWithDeadline(absl::Condition(&is_earlier), next);
      } else {
        const std::function<void()> task = std::move(tasks_.begin()->second);
        tasks_.erase(tasks_.begin());
        mutex_.Unlock();
        task();
        mutex_.Lock();
      }
    }
  }
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return is_over_ || !tasks_.empty(); }

  absl::Mutex mutex_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<absl::Time, std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// A queue of work whose pieces are run one after the other, each a random time after the one before
// it or after it came. Thread-safe; made as a shared_ptr. The timetable outlives its use.
class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(Timetable* timetable, uint64_t seed, absl::Duration max_delay)
      : timetable_(timetable), max_delay_(max_delay), random_(seed) {}

  void Add(std::function<void()> work) {
    absl::MutexLock lock(&mutex_);
    queue_.push_back(std::move(work));
    const double share = std::uniform_real_distribution<double>(0, 1)(random_);
    due_ = std::max(due_, absl::Now()) + share * max_delay_;
    timetable_->At(due_, [self = shared_from_this()] { self->RunOne(); });
  }

  // Runs what is left now, here; returns when none of it runs any more, but for work that calls
  // this.
  void Flush() {
    const bool is_inside = timetable_->IsThisThread();
    for (;;) {
      std::function<void()> work;
      {
        absl::MutexLock lock(&mutex_);
        const auto is_idle = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return is_inside || !is_running_;
        };
        mutex_.Await(absl::Condition(&is_idle));
        if (queue_.empty()) return;
        work = std::move(queue_.front());
        queue_.pop_front();
      }
      work();
    }
  }

 private:
  void RunOne() {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
      is_running_ = true;
    }
    work();
    absl::MutexLock lock(&mutex_);
    is_running_ = false;
  }

  Timetable* const timetable_;
  const absl::Duration max_delay_;
  absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  absl::Time due_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool is_running_ ABSL_GUARDED_BY(mutex_) = false;
};

class DelayingSender final : public SendChannel {
 public:
  DelayingSender(std::unique_ptr<SendChannel> inner, std::shared_ptr<Line> line,
                 std::shared_ptr<Timetable> timetable)
      : inner_(std::move(inner)), line_(std::move(line)), timetable_(std::move(timetable)) {}
  ~DelayingSender() override { DelayingSender::Close(absl::CancelledError("closed at this end")); }

  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    line_->Add(
        [this, tag, payload, shared_done] { inner_->Send(tag, payload, std::move(*shared_done)); });
  }
  void Close(absl::Status reason) override {
    inner_->Close(reason);
    line_->Flush();
    inner_->Close(reason);  // Waits for what the closed channel answers to the late frames.
  }
  ChannelStats stats() const override { return inner_->stats(); }
  absl::Status status() const override { return inner_->status(); }

 private:
  const std::unique_ptr<SendChannel> inner_;
  const std::shared_ptr<Line> line_;
  const std::shared_ptr<Timetable> timetable_;
};

class DelayingReceiver final : public ReceiveChannel {
 public:
  DelayingReceiver(std::unique_ptr<ReceiveChannel> inner, std::shared_ptr<Line> line,
                   std::shared_ptr<Timetable> timetable)
      : inner_(std::move(inner)), line_(std::move(line)), timetable_(std::move(timetable)) {}
  ~DelayingReceiver() override {
    DelayingReceiver::Close(absl::CancelledError("closed at this end"));
  }

  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    inner_->Receive(expected, into, [line = line_, shared_done](const absl::Status& status) {
      line->Add([shared_done, status] { (*shared_done)(status); });
    });
  }
  void Close(absl::Status reason) override {
    inner_->Close(reason);
    line_->Flush();
  }
  ChannelStats stats() const override { return inner_->stats(); }
  absl::Status status() const override { return inner_->status(); }

 private:
  const std::unique_ptr<ReceiveChannel> inner_;
  const std::shared_ptr<Line> line_;
  const std::shared_ptr<Timetable> timetable_;
};

class DelayingTransport final : public Transport {
 public:
  DelayingTransport(std::unique_ptr<Transport> inner, uint64_t seed, absl::Duration max_delay)
      : max_delay_(max_delay), random_(seed), inner_(std::move(inner)) {}

  std::string address() const override { return inner_->address(); }

  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    inner_->Accept(link, options, deadline, Wrap<DelayingReceiver>(std::move(done)));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    inner_->Connect(address, link, options, deadline, Wrap<DelayingSender>(std::move(done)));
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    inner_->Cancel(job_id, generation);
  }

 private:
  template <typename Delaying, typename Done>
  Done Wrap(Done done) {
    return [this, done = std::move(done)](auto channel) mutable {
      if (!channel.ok()) return done(channel.status());
      done(std::make_unique<Delaying>(*std::move(channel), MakeLine(), timetable_));
    };
  }
  std::shared_ptr<Line> MakeLine() {
    absl::MutexLock lock(&mutex_);
    return std::make_shared<Line>(timetable_.get(), random_(), max_delay_);
  }

  const absl::Duration max_delay_;
  const std::shared_ptr<Timetable> timetable_ = std::make_shared<Timetable>();
  absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  const std::unique_ptr<Transport> inner_;  // Last: its callbacks use the others.
};

}  // namespace

std::unique_ptr<Transport> MakeDelayingTransport(std::unique_ptr<Transport> inner, uint64_t seed,
                                                 absl::Duration max_delay) {
  return std::make_unique<DelayingTransport>(std::move(inner), seed, max_delay);
}

}  // namespace paci
