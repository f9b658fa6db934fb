// What only a network can do: addresses, ports, and processes that die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/transport/raw_peer.h"
#include "tests/unit/transport/transport_testing.h"

namespace paci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const LinkOptions kOptions = {"secret", true};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Tcp, NamesAnAddressThatIsTaken) {
  const RawListener other;
  const absl::Status status = ListenTcp({.listen = other.address()}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(HasSubstr(other.address()), HasSubstr("in use")));
}

TEST(Tcp, NamesAnAddressThatIsNotOfThisHost) {
  const absl::Status status = ListenTcp({.listen = "192.0.2.1:0"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), HasSubstr("192.0.2.1:0"));
}

TEST(Tcp, QuotesAnAddressThatIsNone) {
  for (const char* address : {"", "localhost", "127.0.0.1:99999", "127.0.0.1:port"}) {
    const absl::Status status = ListenTcp({.listen = address}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(Message(status), HasSubstr(absl::StrCat("\"", address, "\"")));
  }
  const auto transport = *ListenTcp(TcpOptions());
  const Connected connected;
  transport->Connect("nowhere", MakeLink(0, 1), kOptions, Later(), connected.Callback());
  const absl::Status status = connected.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("\"nowhere\""));
}

TEST(Tcp, AdvertisesWhatNeighboursCanDial) {
  const auto named = *ListenTcp({.listen = "0.0.0.0:0", .advertise_host = "localhost"});
  const auto other = *ListenTcp(TcpOptions());
  EXPECT_THAT(named->address(), HasSubstr("localhost:"));
  const Ends ends = Join(*other, *named, MakeLink(0, 1));
  for (const char* listen : {"0.0.0.0:0", "[::]:0"}) {
    const absl::Status status = ListenTcp({.listen = listen}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), HasSubstr(listen));
  }
}

TEST(Tcp, WhatASenderHandedOverBeforeItLeftStillArrives) {
  const auto a = *ListenTcp(TcpOptions()), b = *ListenTcp(TcpOptions());
  Ends ends = Join(*a, *b, MakeLink(0, 1));
  const Bytes payload = MakePayload(50'000, 5);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Send(*ends.sender, Activation(i), payload).Take().ok());
  }
  ends.sender.reset();
  for (int i = 0; i < 2; ++i) {
    Bytes into(payload.size());
    EXPECT_TRUE(Receive(*ends.receiver, Activation(i), absl::MakeSpan(into)).Take().ok());
    EXPECT_EQ(into, payload);
  }
  Bytes into(1);
  EXPECT_EQ(Receive(*ends.receiver, Activation(2), absl::MakeSpan(into)).Take().code(),
            absl::StatusCode::kUnavailable);
}

TEST(Tcp, AnUnreachableNeighbourIsNamedAtTheDeadline) {
  std::string address;
  {
    const RawListener gone;
    address = gone.address();
  }
  const auto transport = *ListenTcp(TcpOptions());
  const Connected connected;
  transport->Connect(address, MakeLink(0, 1), kOptions, Soon(), connected.Callback());
  const absl::Status status = connected.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(status), AllOf(HasSubstr(absl::StrCat("cannot reach ", address)),
                                     HasSubstr("Connection refused")));
}

// A process of its own that sends on one link and receives on the other until it is killed.
class OtherProcess {
 public:
  // While this process has one thread.
  OtherProcess() {
    if (pipe(addresses_) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) Main();
  }
  ~OtherProcess() {
    Kill();
    close(addresses_[0]);
    close(addresses_[1]);
  }
  void Dial(const std::string& address) {
    if (write(addresses_[1], address.data(), address.size()) < 0) std::abort();
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  [[noreturn]] void Main() {
    char address[64] = {};
    if (read(addresses_[0], address, sizeof(address) - 1) <= 0) _exit(1);
    const auto transport = *ListenTcp(TcpOptions());
    const Connected connected;
    transport->Connect(address, MakeLink(0, 1), kOptions, Later(), connected.Callback());
    const auto sender = *connected.Take();
    const Bytes payload = MakePayload(1 << 20, 0);
    for (uint64_t i = 0; Send(*sender, Activation(i), payload).Take().ok(); ++i) {
    }
    _exit(1);
  }

  int addresses_[2];
  pid_t pid_ = 0;
};

TEST(Tcp, AProcessKilledInTheMiddleOfATransferIsUnavailable) {
  OtherProcess other;
  const auto transport = *ListenTcp(TcpOptions());
  const Accepted accepted;
  transport->Accept(MakeLink(0, 1), kOptions, Later(), accepted.Callback());
  other.Dial(transport->address());
  const auto receiver = *accepted.Take();
  Bytes into(1 << 20);
  ASSERT_TRUE(Receive(*receiver, Activation(0), absl::MakeSpan(into)).Take().ok());
  other.Kill();
  absl::Status status;
  for (uint64_t i = 1; status.ok(); ++i) {
    status = Receive(*receiver, Activation(i), absl::MakeSpan(into)).Take();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("lost the peer 127.0.0.1:"),
                                     HasSubstr("job kjv-1, generation 2, stage 0 -> 1")));
}

}  // namespace
}  // namespace paci
