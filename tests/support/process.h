#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace paci {

// What a program wrote, and its exit code; 128 + the signal that ended it, as in a shell.
struct CommandResult {
  int code = 0;
  std::string out;
  std::string err;
};

// A binary of PACI_BIN, or a program by its path, in a process of its own, with a pipe for neither
// output: both go to files, so nothing blocks. It ends with this object, and with the test's own
// process however that ends. Single-threaded, and on a thread that lives as long as the process.
class Process {
 public:
  // `environment`: "KEY=VALUE"s, in place of what this process has of them. PACI_COORDINATOR is
  // passed on from there only. `launcher`: a program by its path, with its arguments, that becomes
  // the binary given as its last arguments; empty: none.
  Process(const std::string& binary, const std::vector<std::string>& args,
          const std::vector<std::string>& environment = {},
          const std::vector<std::string>& launcher = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void Signal(int signal);
  pid_t pid() const { return pid_; }  // -1: it has ended
  bool IsRunning();
  // Until it ends; again: the same.
  CommandResult Wait();
  // What it wrote so far.
  std::string err() const;

 private:
  void Reap(int flags);

  std::filesystem::path folder_;
  pid_t pid_ = -1;
  int code_ = -1;
};

// The pacictl binary, to its end.
CommandResult RunBinary(const std::vector<std::string>& args,
                        const std::vector<std::string>& environment = {});

}  // namespace paci
