#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace paci {

// A system call that touches a file, and the files that it names; a descriptor is its file.
struct FileCall {
  std::string name;  // "openat", "write", "fsync", ...
  std::string path;
  std::string to;  // of a rename
};

struct TracedRun {
  std::vector<FileCall> calls;  // that were done, in order
  bool is_killed = false;
};

// Runs `work` in a child process, which is killed by SIGKILL in place of its file call number
// `kill_at` (from 0), if it gets there. Single-threaded. PERMISSION_DENIED: a process may not be
// traced here. INTERNAL: `work` was false, or the child ended in another way.
absl::StatusOr<TracedRun> RunTraced(const std::function<bool()>& work,
                                    std::optional<size_t> kill_at);

}  // namespace paci
