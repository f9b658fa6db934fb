// The paci-coordinator binary as a script sees it: exit codes, what is on stderr, the port file,
// signals.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/time/clock.h"
#include "common/rpc/deadline.h"
#include "paci/v1/job.grpc.pb.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

std::string Contents(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

class BinaryTest : public testing::Test {
 protected:
  BinaryTest() {
    folder_ = testing::TempDir() + "/binary-" +
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~BinaryTest() override {
    if (running_ > 0) kill(running_, SIGKILL);
    if (running_ > 0) waitpid(running_, nullptr, 0);
    fs::remove_all(folder_);
  }

  pid_t Spawn(std::vector<std::string> args) {
    const char* folder = std::getenv("PACI_BIN");
    args.insert(args.begin(),
                std::string(folder == nullptr ? "build/bin" : folder) + "/paci-coordinator");
    args.push_back("--insecure");
    std::vector<char*> argv;
    argv.reserve(args.size() + 1);
    for (std::string& arg : args) argv.push_back(arg.data());
    argv.push_back(nullptr);
    const std::string err = folder_ + "/err";
    const pid_t child = fork();
    if (child != 0) return child;
    const int descriptor = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    dup2(descriptor, STDERR_FILENO);
    dup2(descriptor, STDOUT_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  static int ExitCode(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // Runs to the end; what it printed.
  std::string Fail(const std::vector<std::string>& args, int code) {
    EXPECT_EQ(ExitCode(Spawn(args)), code) << testing::PrintToString(args);
    return Contents(folder_ + "/err");
  }
  // Until it listens; its addresses.
  std::map<std::string, std::string> Start(std::vector<std::string> args) {
    const std::string ports = folder_ + "/ports";
    args.insert(args.end(), {"--store", folder_ + "/paci.db", "--port-file", ports});
    running_ = Spawn(args);
    while (!fs::exists(ports) && waitpid(running_, nullptr, WNOHANG) == 0) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    std::map<std::string, std::string> addresses;
    std::ifstream in(ports);
    for (std::string line; std::getline(in, line);) {
      addresses[line.substr(0, line.find('='))] = line.substr(line.find('=') + 1);
    }
    return addresses;
  }

  std::string folder_;
  pid_t running_ = 0;
};

TEST_F(BinaryTest, ServesUntilASignalAndEndsWithZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    fs::remove(folder_ + "/ports");
    const auto addresses = Start({"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"});
    ASSERT_THAT(addresses.at("rpc"), StartsWith("127.0.0.1:"));
    EXPECT_THAT(addresses.at("metrics"), StartsWith("127.0.0.1:"));
    const auto stub = v1::ClusterService::NewStub(
        grpc::CreateChannel(addresses.at("rpc"), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(30)));
    v1::ServerInfo info;
    EXPECT_TRUE(stub->GetInfo(&context, {}, &info).ok());
    EXPECT_EQ(info.version(), PACI_VERSION);
    kill(running_, signal);
    EXPECT_EQ(ExitCode(std::exchange(running_, 0)), 0);
    EXPECT_EQ(Contents(folder_ + "/err"), "") << "quiet by default";
  }
}

TEST_F(BinaryTest, WhatIsTakenIsOneSentence) {
  const auto addresses = Start({"--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"});
  const std::string& rpc = addresses.at("rpc");
  const std::string other = folder_ + "/other.db";
  EXPECT_EQ(Fail({"--listen", rpc, "--store", other}, 1),
            "paci-coordinator: cannot listen on " + rpc + ": Address already in use\n");
  EXPECT_THAT(
      Fail({"--listen", "127.0.0.1:0", "--metrics", addresses.at("metrics"), "--store", other}, 1),
      HasSubstr("Address already in use"));
  EXPECT_THAT(Fail({"--listen", "127.0.0.1:0", "--store", folder_ + "/paci.db"}, 1),
              HasSubstr("is used by another coordinator: process " + std::to_string(running_)));
}

TEST_F(BinaryTest, WhatCannotBeIsRefusedWithTwoAndWhatIsNotThereWithOne) {
  const std::string store = folder_ + "/s.db";
  EXPECT_THAT(Fail({"--bogus"}, 2), HasSubstr("--bogus"));
  EXPECT_THAT(Fail({"--listen", "nowhere", "--store", store}, 2), HasSubstr("is not HOST:PORT"));
  EXPECT_THAT(Fail({"--lease-seconds", "-1"}, 2), HasSubstr("--lease-seconds"));
  EXPECT_THAT(Fail({"--report-interval-seconds", "3"}, 2), HasSubstr("at most half of"));
  EXPECT_THAT(Fail({"--log-level", "loud"}, 2), HasSubstr("loud"));
  EXPECT_THAT(Fail({"--store", folder_ + "/no/s.db"}, 1), HasSubstr("No such file or directory"));
  EXPECT_THAT(Fail({"--listen", "192.0.2.1:0", "--store", store}, 1),
              HasSubstr("cannot listen on 192.0.2.1:0: Cannot assign requested address"));
  EXPECT_THAT(
      Fail({"--listen", "127.0.0.1:0", "--store", store, "--port-file", folder_ + "/no/ports"}, 1),
      HasSubstr("the port file"));
  EXPECT_EQ(Fail({"--version"}, 0), "paci-coordinator " PACI_VERSION "\n");
}

TEST_F(BinaryTest, AFileHasTheSameKeysAsTheFlags) {
  std::ofstream(folder_ + "/c.toml") << "listen = \"127.0.0.1:0\"\nlease-seconds = 7\n";
  EXPECT_THAT(Start({"--config", folder_ + "/c.toml"}).at("rpc"), StartsWith("127.0.0.1:"));
  std::ofstream(folder_ + "/bad.toml") << "lissen = \"127.0.0.1:0\"\n";
  EXPECT_THAT(Fail({"--config", folder_ + "/bad.toml"}, 2), HasSubstr("lissen"));
  Fail({"--config", folder_ + "/missing.toml"}, 2);
}

}  // namespace
}  // namespace paci
