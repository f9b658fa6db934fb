#pragma once

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <functional>
#include <thread>

namespace paci {

// The thread "paci-io" and what runs on it. A transport and its channels share one: all their state
// is touched there only, so that none of it needs a lock. Thread-safe.
class IoThread {
 public:
  IoThread();
  // Not on the thread itself. What was posted and has not begun is dropped.
  ~IoThread();

  asio::io_context& context() { return context_; }
  // Tasks run in the order of the calls, whatever thread these are on.
  void Post(std::function<void()> task);
  // Runs `task` on the thread and waits for its end; at once if this is the thread itself.
  void RunAndWait(std::function<void()> task);

 private:
  // Not with the hint that one thread runs it: what that thread posts would then queue behind what
  // others post later.
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace paci
