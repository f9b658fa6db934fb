#include "tests/unit/cli/pacictl_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace paci::cli {
namespace {

std::string Binary() {
  const char* folder = std::getenv("PACI_BIN");
  EXPECT_NE(folder, nullptr) << "PACI_BIN names the folder of the binaries; ctest sets it";
  return absl::StrCat(folder == nullptr ? "" : folder, "/pacictl");
}

std::string Content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
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

}  // namespace

PacictlProcess::PacictlProcess(const std::vector<std::string>& args,
                               const std::vector<std::string>& environment) {
  std::string folder = (std::filesystem::temp_directory_path() / "pacictl.XXXXXX").string();
  folder_ = mkdtemp(folder.data());
  std::vector<std::string> words = args;
  words.insert(words.begin(), Binary());
  std::vector<std::string> variables = Environment(environment);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  constexpr int kWrite = O_WRONLY | O_CREAT;
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (folder_ / "out").c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (folder_ / "err").c_str(), kWrite, 0600);
  const int error = posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, Pointers(words).data(),
                                Pointers(variables).data());
  posix_spawn_file_actions_destroy(&actions);
  EXPECT_EQ(error, 0) << words[0];
}

PacictlProcess::~PacictlProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(folder_);
}

void PacictlProcess::Signal(int signal) {
  if (pid_ > 0) kill(pid_, signal);
}

CommandResult PacictlProcess::Wait() {
  if (pid_ <= 0) return {-1, "", ""};
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return {code, Content(folder_ / "out"), Content(folder_ / "err")};
}

CommandResult RunBinary(const std::vector<std::string>& args,
                        const std::vector<std::string>& environment) {
  return PacictlProcess(args, environment).Wait();
}

}  // namespace paci::cli
