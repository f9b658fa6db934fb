#include "tests/unit/checkpoint/traced_child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr int kMayNotBeTraced = 77;
constexpr int kNone = -1;

// Where the arguments of a call name its file: a descriptor, or a path that may be relative to one.
struct CallRow {
  int64_t number;
  const char* name;
  int descriptor;  // index of the argument, or kNone
  int path;
  int to_descriptor;
  int to_path;
};
constexpr CallRow kCalls[] = {
    {SYS_openat, "openat", 0, 1, kNone, kNone},
    {SYS_write, "write", 0, kNone, kNone, kNone},
    {SYS_pwrite64, "write", 0, kNone, kNone, kNone},
    {SYS_writev, "write", 0, kNone, kNone, kNone},
    {SYS_ftruncate, "ftruncate", 0, kNone, kNone, kNone},
    {SYS_fsync, "fsync", 0, kNone, kNone, kNone},
    {SYS_fdatasync, "fsync", 0, kNone, kNone, kNone},
    {SYS_renameat, "rename", 0, 1, 2, 3},
    {SYS_renameat2, "rename", 0, 1, 2, 3},
    {SYS_unlinkat, "unlink", 0, 1, kNone, kNone},
    {SYS_mkdirat, "mkdir", 0, 1, kNone, kNone},
#ifdef SYS_rename
    {SYS_open, "openat", kNone, 0, kNone, kNone},
    {SYS_rename, "rename", kNone, 0, kNone, 1},
    {SYS_unlink, "unlink", kNone, 0, kNone, kNone},
    {SYS_rmdir, "unlink", kNone, 0, kNone, kNone},
    {SYS_mkdir, "mkdir", kNone, 0, kNone, kNone},
#endif
};

const CallRow* FindCall(uint64_t number) {
  for (const CallRow& row : kCalls) {
    if (row.number == static_cast<int64_t>(number)) return &row;
  }
  return nullptr;
}

std::string ReadText(pid_t child, uint64_t address) {
  char text[4096] = {};
  iovec local = {text, sizeof(text) - 1};
  // What follows the text may not be mapped.
  for (; local.iov_len > 0; local.iov_len /= 2) {
    const iovec remote = {reinterpret_cast<void*>(address), local.iov_len};  // NOLINT
    if (process_vm_readv(child, &local, 1, &remote, 1, 0) > 0) break;
  }
  return text;
}

std::string FileOf(pid_t child, int descriptor) {
  char path[4096] = {};
  const std::string link = absl::StrCat("/proc/", child, "/fd/", descriptor);
  return readlink(link.c_str(), path, sizeof(path) - 1) < 0 ? "?" : path;
}

std::string RawPathOf(pid_t child, const __ptrace_syscall_info& info, int descriptor, int path) {
  const std::string text = path == kNone ? "" : ReadText(child, info.entry.args[path]);
  if (descriptor == kNone || (!text.empty() && text[0] == '/')) return text;
  const int fd = static_cast<int>(info.entry.args[descriptor]);
  if (fd == AT_FDCWD) return text;
  return text.empty() ? FileOf(child, fd) : absl::StrCat(FileOf(child, fd), "/", text);
}

// Normal, so that a path and a descriptor of one file are equal.
std::string PathOf(pid_t child, const __ptrace_syscall_info& info, int descriptor, int path) {
  return std::filesystem::path(RawPathOf(child, info, descriptor, path)).lexically_normal();
}

// The file call that the stopped child is about to make.
std::optional<FileCall> CallAtHand(pid_t child) {
  __ptrace_syscall_info info = {};
  if (ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_ENTRY) {
    return std::nullopt;
  }
  const CallRow* row = FindCall(info.entry.nr);
  if (row == nullptr) return std::nullopt;
  FileCall call = {row->name, PathOf(child, info, row->descriptor, row->path), ""};
  if (row->to_path != kNone) call.to = PathOf(child, info, row->to_descriptor, row->to_path);
  return call;
}

[[noreturn]] void RunChild(const std::function<bool()>& work) {
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) _exit(kMayNotBeTraced);
  raise(SIGSTOP);
  _exit(work() ? 0 : 1);
}

}  // namespace

absl::StatusOr<TracedRun> RunTraced(const std::function<bool()>& work,
                                    std::optional<size_t> kill_at) {
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "fork");
  if (child == 0) RunChild(work);
  TracedRun run;
  int status = 0;
  bool is_set_up = false;
  while (waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
    if (!std::exchange(is_set_up, true)) {
      ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    } else if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      const std::optional<FileCall> call = CallAtHand(child);
      if (call && kill_at == run.calls.size()) {
        kill(child, SIGKILL);
        continue;
      }
      if (call) run.calls.push_back(*call);
    }
    ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  }
  run.is_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (run.is_killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return run;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kMayNotBeTraced) {
    return absl::PermissionDeniedError("a process may not be traced here");
  }
  return absl::InternalError(absl::StrCat("the child ended with wait status ", status));
}

}  // namespace paci
