#include "worker/agent/task_queue.h"

#include <pthread.h>

#include <utility>

namespace paci {

TaskQueue::TaskQueue(const std::string& thread_name) : thread_([this] { Run(); }) {
  pthread_setname_np(thread_.native_handle(), thread_name.c_str());
}

TaskQueue::~TaskQueue() {
  {
    absl::MutexLock lock(&mutex_);
    is_over_ = true;
    tasks_.clear();
  }
  thread_.join();
}

void TaskQueue::Add(absl::AnyInvocable<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (!is_over_) tasks_.push_back(std::move(task));
}

void TaskQueue::Run() {
  for (;;) {
    absl::AnyInvocable<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return is_over_ || !tasks_.empty();
      };
      mutex_.Await(absl::Condition(&has_work));
      if (is_over_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace paci
