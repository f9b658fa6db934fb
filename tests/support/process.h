#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/cli/scripted_coordinator.h"

namespace paci::cli {

// The pacictl binary of PACI_BIN in a process of its own, with a pipe for neither output: both go
// to files, so nothing blocks. Single-threaded.
class PacictlProcess {
 public:
  // `environment`: "KEY=VALUE"s, in place of what this process has of them.
  explicit PacictlProcess(const std::vector<std::string>& args,
                          const std::vector<std::string>& environment = {});
  ~PacictlProcess();
  PacictlProcess(const PacictlProcess&) = delete;
  PacictlProcess& operator=(const PacictlProcess&) = delete;

  void Signal(int signal);
  // Until it ends. A signal that ended it is code 128 + its number, as in a shell.
  CommandResult Wait();

 private:
  std::filesystem::path folder_;
  pid_t pid_ = -1;
};

CommandResult RunBinary(const std::vector<std::string>& args,
                        const std::vector<std::string>& environment = {});

}  // namespace paci::cli
