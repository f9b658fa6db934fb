#include "common/transport/io_thread.h"

#include <pthread.h>

#include <asio/post.hpp>
#include <utility>

#include "absl/synchronization/notification.h"

namespace paci {

IoThread::IoThread() : work_(asio::make_work_guard(context_)), thread_([this] { context_.run(); }) {
  pthread_setname_np(thread_.native_handle(), "paci-io");
}

IoThread::~IoThread() {
  context_.stop();
  thread_.join();
}

void IoThread::Post(std::function<void()> task) { asio::post(context_, std::move(task)); }

void IoThread::RunAndWait(std::function<void()> task) {
  if (context_.get_executor().running_in_this_thread()) return task();
  absl::Notification is_done;
  Post([&] {
    task();
    is_done.Notify();
  });
  is_done.WaitForNotification();
}

}  // namespace paci
