#include "coordinator/service/core.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/telemetry/anchored_clock.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

constexpr size_t kMaxMailbox = 16384;
// So much work shares a transaction, at most.
constexpr size_t kMaxBatch = 512;

void LogEffects(const Effects& effects) {
  for (const v1::Event& event : effects.writes.events) {
    const bool is_bad = event.type() == "Failed" || event.type() == "StageFailed" ||
                        event.type() == "StageLost" || event.type() == "CheckpointFailed" ||
                        event.type() == "UpdateSkipped";
    Log(is_bad ? LogLevel::kWarning : LogLevel::kInfo, event.reason(),
        {{"event", event.type()}, {"job", event.job_id()}, {"generation", event.generation()}});
  }
  for (const LogNote& note : effects.notes) {
    Log(note.level, note.message, {{"job", note.job_id}, {"worker", note.worker}});
  }
}

}  // namespace

absl::Time Core::Now() { return AnchoredNow(); }

Core::Core(Controller controller, std::unique_ptr<JobStore> store, absl::Duration tick,
           CoreHooks hooks)
    : controller_(std::move(controller)),
      store_(std::move(store)),
      tick_(tick),
      hooks_(std::move(hooks)),
      thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), "paci-core");
}

Core::~Core() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopping_ = true;
  }
  thread_.join();
}

absl::Status Core::Post(Work work) {
  absl::MutexLock lock(&mutex_);
  if (is_stopping_) return absl::UnavailableError("the coordinator is ending");
  if (mailbox_.size() >= kMaxMailbox) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the coordinator has ", mailbox_.size(), " requests to do first"));
  }
  mailbox_.push_back(std::move(work));
  return absl::OkStatus();
}

void Core::Run() {
  absl::Time next_tick = Now();
  for (;;) {
    std::deque<Work> batch = TakeWork(next_tick);
    const bool had_work = !batch.empty();
    DoBatch(std::move(batch), next_tick);
    absl::MutexLock lock(&mutex_);
    if (is_stopping_ && mailbox_.empty() && !had_work) return;
  }
}

std::deque<Work> Core::TakeWork(absl::Time deadline) {
  absl::MutexLock lock(&mutex_);
  const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !mailbox_.empty() || is_stopping_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&has_work), deadline - Now());
  std::deque<Work> batch;
  while (!mailbox_.empty() && batch.size() < kMaxBatch) {
    batch.push_back(std::move(mailbox_.front()));
    mailbox_.pop_front();
  }
  return batch;
}

void Core::DoBatch(std::deque<Work> batch, absl::Time& next_tick) {
  const absl::Time now = Now();
  CoreState state{controller_, *store_, now};
  std::vector<Reply> replies;
  replies.reserve(batch.size());
  for (Work& work : batch) replies.push_back(work(state));
  // After the messages that have come: a worker whose message waits here is not silent.
  if (now >= next_tick) {
    controller_.Tick(now);
    next_tick = now + tick_;
  }
  Effects effects = controller_.TakeEffects();
  if (fatal_.ok()) {
    fatal_ = store_->Apply(effects.writes);
    if (!fatal_.ok()) {
      LogError("the store cannot be written", {{"error", fatal_.ToString()}});
      hooks_.on_fatal(fatal_);
    }
  }
  if (fatal_.ok()) {
    LogEffects(effects);
    hooks_.deliver(std::move(effects), now);
  }
  for (Reply& reply : replies) reply(fatal_);
}

}  // namespace paci
