#include "common/transport/io_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/synchronization/notification.h"

namespace paci {
namespace {

TEST(IoThread, RunsTasksInTheOrderInWhichTheyWerePosted) {
  IoThread io;
  std::string order;
  absl::Notification has_posted_first;
  absl::Notification has_posted_second;
  io.Post([&] {
    io.Post([&] { order += "from the thread, "; });
    has_posted_first.Notify();
    has_posted_second.WaitForNotification();
  });
  has_posted_first.WaitForNotification();
  io.Post([&] { order += "from outside"; });
  has_posted_second.Notify();
  io.RunAndWait([] {});
  io.RunAndWait([] {});
  EXPECT_EQ(order, "from the thread, from outside");
}

}  // namespace
}  // namespace paci
