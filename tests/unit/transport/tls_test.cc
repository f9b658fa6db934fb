// What somebody on the way sees of a link, and can do to it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "tests/unit/transport/raw_peer.h"
#include "tests/unit/transport/transport_testing.h"

namespace paci {
namespace {

constexpr char kText[] = "the weights that were so dear";

// Stands between a dialler and who it dials, and keeps what passes. `change`: what it does to what
// the dialler says.
class Tap {
 public:
  using Change = std::function<void(std::string& bytes)>;
  explicit Tap(std::string target, Change change = nullptr)
      : target_(std::move(target)), change_(std::move(change)), thread_([this] { Relay(); }) {}
  ~Tap() { thread_.join(); }

  const std::string& address() const { return listener_.address(); }
  // Once both ends have closed.
  const std::string& heard() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&is_over_));
    return heard_;
  }

 private:
  void Relay() {
    RawPeer dialler = listener_.Accept();
    RawPeer target = RawPeer::Dial(target_);
    pollfd ends[2] = {{dialler.fd(), POLLIN, 0}, {target.fd(), POLLIN, 0}};
    for (bool is_open = true; is_open;) {
      poll(ends, 2, -1);
      for (int from = 0; from < 2; ++from) {
        if (ends[from].revents == 0) continue;
        std::string bytes(1 << 16, '\0');
        const ssize_t size = recv(ends[from].fd, bytes.data(), bytes.size(), 0);
        is_open = is_open && size > 0;
        bytes.resize(std::max<ssize_t>(size, 0));
        heard_ += bytes;
        if (from == 0 && change_ != nullptr) change_(bytes);
        if (!bytes.empty()) (from == 0 ? target : dialler).Send(bytes);
      }
    }
    absl::MutexLock lock(&mutex_);
    is_over_ = true;
  }

  const std::string target_;
  const Change change_;
  RawListener listener_;
  std::string heard_;
  absl::Mutex mutex_;
  bool is_over_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// Dials through the tap.
Ends JoinThrough(const Tap& tap, Transport& from, Transport& to, bool encrypt) {
  const LinkOptions options = {"secret", true, encrypt};
  const Accepted accepted;
  const Connected connected;
  to.Accept(MakeLink(0, 1), options, Later(), accepted.Callback());
  from.Connect(tap.address(), MakeLink(0, 1), options, Later(), connected.Callback());
  return {*connected.Take(), *accepted.Take()};
}

std::string HeardOnTheWay(bool encrypt) {
  const auto a = *ListenTcp(TcpOptions());
  const auto b = *ListenTcp(TcpOptions());
  Tap tap(b->address());
  {
    const Ends ends = JoinThrough(tap, *a, *b, encrypt);
    Bytes got(sizeof(kText));
    const Transfer received = Receive(*ends.receiver, Activation(0), absl::MakeSpan(got));
    const Bytes sent(reinterpret_cast<const std::byte*>(kText),
                     reinterpret_cast<const std::byte*>(kText) + sizeof(kText));
    EXPECT_TRUE(Send(*ends.sender, Activation(0), sent).Take().ok());
    EXPECT_TRUE(received.Take().ok());
    EXPECT_EQ(got, sent);
  }
  return tap.heard();
}

TEST(DataTls, NobodyOnTheWayReadsAFrame) {
  EXPECT_NE(HeardOnTheWay(/*encrypt=*/false).find(kText), std::string::npos);
  const std::string heard = HeardOnTheWay(/*encrypt=*/true);
  EXPECT_GT(heard.size(), sizeof(kText));
  EXPECT_EQ(heard.find(kText), std::string::npos);
}

// With a checksum of one's own a frame in the clear can be changed; here the last byte, which is of
// the record's tag.
TEST(DataTls, NobodyOnTheWayChangesAFrame) {
  const auto a = *ListenTcp(TcpOptions());
  const auto b = *ListenTcp(TcpOptions());
  std::atomic<bool> spoils{false};
  Tap tap(b->address(), [&](std::string& bytes) {
    if (spoils && !bytes.empty()) bytes.back() ^= 1;
  });
  const Ends ends = JoinThrough(tap, *a, *b, /*encrypt=*/true);
  spoils = true;
  Bytes got(100);
  const Transfer received = Receive(*ends.receiver, Activation(0), absl::MakeSpan(got));
  const Bytes sent = MakePayload(100, 1);
  Send(*ends.sender, Activation(0), sent);
  EXPECT_FALSE(received.Take().ok());
}

// The handshake's proofs alone let nobody in whose key differs: one end's link is another.
TEST(DataTls, AnEndThatIsNotEncryptedIsNotTalkedTo) {
  const auto a = *ListenTcp({.handshake_timeout = absl::Milliseconds(200)});
  const auto b = *ListenTcp({.handshake_timeout = absl::Milliseconds(200)});
  for (const bool dialler_encrypts : {true, false}) {
    const Accepted accepted;
    const Connected connected;
    b->Accept(MakeLink(0, 1), {"secret", true, !dialler_encrypts}, Soon(), accepted.Callback());
    a->Connect(b->address(), MakeLink(0, 1), {"secret", true, dialler_encrypts}, Soon(),
               connected.Callback());
    auto receiver = accepted.Take();
    auto sender = connected.Take();
    // Whichever end believes that it is there, no frame passes.
    if (!receiver.ok() || !sender.ok()) continue;
    Bytes got(10);
    const Transfer received = Receive(**receiver, Activation(0), absl::MakeSpan(got));
    const Bytes sent = MakePayload(10, 1);
    Send(**sender, Activation(0), sent);
    EXPECT_FALSE(received.Take().ok());
  }
}

}  // namespace
}  // namespace paci
