#include "tests/integration/hung_thread.h"

#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

pid_t FindThread(pid_t process, const std::string& name) {
  for (const auto& entry :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", process, "/task"))) {
    std::string comm;
    std::getline(std::ifstream(entry.path() / "comm"), comm);
    if (comm == name) return static_cast<pid_t>(std::stol(entry.path().filename()));
  }
  return -1;
}

}  // namespace

HungThread::HungThread(pid_t process, const std::string& name)
    : thread_(FindThread(process, name)) {
  if (thread_ < 0) {
    ADD_FAILURE() << "process " << process << " has no thread " << name;
    return;
  }
  if (ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) != 0 ||
      ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) != 0 ||
      waitpid(thread_, nullptr, __WALL) != thread_) {
    ADD_FAILURE() << "the thread cannot be stopped: " << std::strerror(errno);
  }
}

void HungThread::Release() {
  if (thread_ < 0) return;
  EXPECT_EQ(ptrace(PTRACE_DETACH, thread_, nullptr, nullptr), 0);
  thread_ = -1;
}

}  // namespace paci
