#include "tests/support/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/support/test_folder.h"

namespace paci {
namespace {

std::string PathOf(const std::string& binary) {
  if (absl::StartsWith(binary, "/")) return binary;
  const char* folder = std::getenv("PACI_BIN");
  if (folder == nullptr) {
    // Whatever the test waits for would never come.
    std::fprintf(stderr, "PACI_BIN names the folder of the binaries; ctest sets it\n");
    std::exit(1);
  }
  return absl::StrCat(folder, "/", binary);
}

std::string Key(const std::string& variable) { return variable.substr(0, variable.find('=') + 1); }

// This process's environment without PACI_COORDINATOR, and with `changes`.
std::vector<std::string> Environment(const std::vector<std::string>& changes) {
  std::vector<std::string> variables = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    bool is_replaced = absl::StartsWith(*variable, "PACI_COORDINATOR=");
    for (const std::string& change : changes) {
      is_replaced |= absl::StartsWith(*variable, Key(change));
    }
    if (!is_replaced) variables.push_back(*variable);
  }
  return variables;
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child, where only async-signal-safe calls are allowed.
[[noreturn]] void Become(pid_t parent, const char* out, const char* err, char* const* words,
                         char* const* variables) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // it died before it could be watched
  constexpr int kWrite = O_WRONLY | O_CREAT;
  const bool is_ready = dup2(open("/dev/null", O_RDONLY), 0) >= 0 &&
                        dup2(open(out, kWrite, 0600), 1) >= 0 &&
                        dup2(open(err, kWrite, 0600), 2) >= 0;
  // Descriptors of the test, its sockets above all, are not the program's.
  for (int descriptor = 3; descriptor < 1024; ++descriptor) close(descriptor);
  if (is_ready) execve(words[0], words, variables);
  _exit(127);
}

}  // namespace

Process::Process(const std::string& binary, const std::vector<std::string>& args,
                 const std::vector<std::string>& environment,
                 const std::vector<std::string>& launcher) {
  std::string folder = (std::filesystem::temp_directory_path() / "paci.XXXXXX").string();
  folder_ = mkdtemp(folder.data());
  std::vector<std::string> words = launcher;
  words.push_back(PathOf(binary));
  words.insert(words.end(), args.begin(), args.end());
  std::vector<std::string> variables = Environment(environment);
  const std::vector<char*> word_pointers = Pointers(words);
  const std::vector<char*> variable_pointers = Pointers(variables);
  const std::string out = folder_ / "out";
  const std::string err = folder_ / "err";
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    Become(parent, out.c_str(), err.c_str(), word_pointers.data(), variable_pointers.data());
  }
  EXPECT_GT(pid_, 0) << words[0];
}

Process::~Process() {
  Signal(SIGKILL);
  Reap(0);
  std::filesystem::remove_all(folder_);
}

void Process::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

void Process::Reap(int flags) {
  int status = 0;
  if (pid_ <= 0 || waitpid(pid_, &status, flags) != pid_) return;
  pid_ = -1;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool Process::IsRunning() {
  Reap(WNOHANG);
  return pid_ > 0;
}

CommandResult Process::Wait() {
  Reap(0);
  return {code_, ReadFile(folder_ / "out"), err()};
}

std::string Process::err() const { return ReadFile(folder_ / "err"); }

CommandResult RunBinary(const std::vector<std::string>& args,
                        const std::vector<std::string>& environment) {
  return Process("pacictl", args, environment).Wait();
}

}  // namespace paci
