#pragma once

#include <sys/types.h>

#include <string>

namespace paci {

// One thread of a process of this test, stopped by a debugger's means: it does nothing while every
// other thread goes on, as with a device that hangs. It goes on with the end of this object, which
// must be before that of the process. Used from one thread.
class HungThread {
 public:
  // The thread of `process` with this name; fails the test if there is none.
  HungThread(pid_t process, const std::string& name);
  ~HungThread() { Release(); }
  HungThread(const HungThread&) = delete;
  HungThread& operator=(const HungThread&) = delete;

  void Release();

 private:
  pid_t thread_ = -1;
};

}  // namespace paci
