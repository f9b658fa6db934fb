// Who else may speak to a data port: each is turned away, and a link on the same transport goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/checksum/checksum.h"
#include "tests/unit/transport/raw_peer.h"
#include "tests/unit/transport/transport_testing.h"

namespace paci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const LinkOptions kOptions = {"secret", true};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// A running link and an Accept that waits, on a transport that strangers call.
class Strangers : public ::testing::Test {
 protected:
  void Listen(const TcpOptions& options) {
    target_ = *ListenTcp(options);
    awaited_ = Accepted();
    ends_ = Join(*neighbour_, *target_, MakeLink(8, 9));
    target_->Accept(MakeLink(0, 1), kOptions, Later(), awaited_.Callback());
  }
  void SetUp() override { Listen(TcpOptions()); }

  // Nothing of what a test did has disturbed them.
  void TearDown() override {
    const Bytes sent = MakePayload(100'000, frames_);
    Bytes got(sent.size());
    const Transfer receive = Receive(*ends_.receiver, Activation(frames_), absl::MakeSpan(got));
    EXPECT_TRUE(Send(*ends_.sender, Activation(frames_), sent).Take().ok());
    EXPECT_TRUE(receive.Take().ok());
    EXPECT_EQ(got, sent);
    if (awaited_.calls() > 0) return;
    const Connected connected;
    neighbour_->Connect(target_->address(), MakeLink(0, 1), kOptions, Later(),
                        connected.Callback());
    EXPECT_TRUE(connected.Take().ok());
    EXPECT_TRUE(awaited_.Take().ok());
  }

  // One who knows the secret and can still say anything.
  std::pair<RawPeer, std::unique_ptr<ReceiveChannel>> Traitor() {
    RawPeer peer = RawPeer::Dial(target_->address());
    EXPECT_EQ(peer.Introduce(MakeLink(0, 1), "secret").code, VerdictCode::kWelcome);
    return {std::move(peer), *awaited_.Take()};
  }

  const std::unique_ptr<Transport> neighbour_ = *ListenTcp(TcpOptions());
  std::unique_ptr<Transport> target_;
  Ends ends_;
  Accepted awaited_;
  uint64_t frames_ = 0;
};

TEST_F(Strangers, WhoSpeaksAnotherProtocolIsCutOff) {
  RawPeer peer = RawPeer::Dial(target_->address());
  peer.Send(std::string(kIntroductionBytes, 'x'));
  EXPECT_EQ(peer.ReadUntilClosed().size(), kGreetingBytes);
}

TEST_F(Strangers, WhoSaysMoreThanAHandshakeIsReadNoFurther) {
  RawPeer peer = RawPeer::Dial(target_->address());
  peer.Send(std::string(8 << 20, '\xff'));
  peer.ReadUntilClosed();
}

TEST_F(Strangers, WhoLeavesHalfWayThroughAHandshakeIsForgotten) {
  for (const size_t size : {0, 1, 60, 135}) {
    RawPeer peer = RawPeer::Dial(target_->address());
    peer.Send(std::string("PACI") + std::string(size, '\0'));
    peer.FinishSending();
    peer.ReadUntilClosed();
  }
}

TEST_F(Strangers, WhoIsSilentIsCutOff) {
  Listen({.handshake_timeout = absl::Milliseconds(50)});
  RawPeer peer = RawPeer::Dial(target_->address());
  EXPECT_EQ(peer.ReadUntilClosed().size(), kGreetingBytes);
}

TEST_F(Strangers, WhoDripsBytesIsCutOffAllTheSame) {
  Listen({.handshake_timeout = absl::Milliseconds(50)});
  RawPeer peer = RawPeer::Dial(target_->address());
  peer.ReadGreeting();
  // Far more bytes than an introduction has, were they ever read: it never gets to say the last
  // one.
  for (size_t i = 0; i + 1 < kIntroductionBytes; ++i) peer.Send("P");
  EXPECT_EQ(peer.ReadUntilClosed().size(), 0);
}

TEST_F(Strangers, WhoeverIsSilentKeepsNoNeighbourOut) {
  Listen({.handshake_timeout = absl::Minutes(10), .max_pending_handshakes = 3});
  std::vector<RawPeer> silent;
  for (int i = 0; i < 50; ++i) {
    silent.push_back(RawPeer::Dial(target_->address()));
    silent.back().ReadGreeting();
  }
  for (int i = 0; i < 47; ++i) EXPECT_EQ(silent[i].ReadUntilClosed().size(), 0);
  const Connected connected;
  neighbour_->Connect(target_->address(), MakeLink(0, 1), kOptions, Later(), connected.Callback());
  EXPECT_TRUE(connected.Take().ok());
  EXPECT_TRUE(awaited_.Take().ok());
  EXPECT_EQ(silent[47].ReadUntilClosed().size(), 0) << "it made room for the neighbour";
}

TEST_F(Strangers, WhoDoesNotKnowTheSecretIsToldSo) {
  RawPeer peer = RawPeer::Dial(target_->address());
  EXPECT_EQ(peer.Introduce(MakeLink(0, 1), "a guess").code, VerdictCode::kWrongSecret);
  EXPECT_EQ(peer.ReadUntilClosed().size(), 0);
}

TEST_F(Strangers, AReplayedIntroductionIsRefused) {
  IntroductionBytes recorded;
  RawPeer first = RawPeer::Dial(target_->address());
  ASSERT_EQ(first.Introduce(MakeLink(0, 1), "secret", &recorded).code, VerdictCode::kWelcome);
  ASSERT_TRUE(awaited_.Take().ok());
  const Accepted again;
  target_->Accept(MakeLink(0, 1), kOptions, Later(), again.Callback());
  RawPeer second = RawPeer::Dial(target_->address());
  second.ReadGreeting();
  second.Send(recorded);
  const Bytes answer = second.ReadUntilClosed();
  ASSERT_EQ(answer.size(), kVerdictBytes);
  EXPECT_EQ(answer[4], static_cast<std::byte>(VerdictCode::kWrongSecret));
  EXPECT_EQ(again.calls(), 0);
}

TEST_F(Strangers, AnotherWireVersionIsCutOff) {
  RawPeer peer = RawPeer::Dial(target_->address());
  peer.ReadGreeting();
  IntroductionBytes introduction = EncodeIntroduction({MakeLink(0, 1), {}, {}});
  introduction[4] = std::byte{0};
  peer.Send(introduction);
  EXPECT_EQ(peer.ReadUntilClosed().size(), 0);
}

TEST_F(Strangers, AHugeLengthIsRefusedBeforeAnythingIsAllocated) {
  auto [peer, channel] = Traitor();
  Bytes into(100);
  const Transfer receive = Receive(*channel, Activation(0), absl::MakeSpan(into));
  peer.Send(EncodeFrameHeader({Activation(0), UINT64_MAX, true}));
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("activation 0 of 18446744073709551615 bytes where "
                                         "activation 0 of 100 bytes comes next"));
  peer.ReadUntilClosed();
}

TEST_F(Strangers, ADamagedPayloadIsDataLoss) {
  auto [peer, channel] = Traitor();
  Bytes payload = MakePayload(100, 1), into(100);
  const Transfer receive = Receive(*channel, Activation(0), absl::MakeSpan(into));
  Checksum checksum;
  checksum.Add(payload);
  peer.Send(EncodeFrameHeader({Activation(0), 100, true}));
  payload[99] ^= std::byte{1};
  peer.Send(payload);
  peer.Send(EncodeFrameTrailer(checksum.Value()));
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("activation 0"), HasSubstr("stage 0 -> 1")));
  peer.ReadUntilClosed();
}

TEST_F(Strangers, AFrameThatBreaksOffIsUnavailable) {
  auto [peer, channel] = Traitor();
  Bytes into(100);
  const Transfer receive = Receive(*channel, Activation(0), absl::MakeSpan(into));
  peer.Send(EncodeFrameHeader({Activation(0), 100, true}));
  peer.Send(MakePayload(99, 0));
  peer.FinishSending();
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("lost the peer 127.0.0.1:"),
                                     HasSubstr("job kjv-1, generation 2, stage 0 -> 1")));
}

TEST_F(Strangers, AFrameWithoutItsChecksumIsRefused) {
  auto [peer, channel] = Traitor();
  Bytes into(4);
  const Transfer receive = Receive(*channel, Activation(0), absl::MakeSpan(into));
  peer.Send(EncodeFrameHeader({Activation(0), 4, false}));
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("came without a checksum"));
}

TEST_F(Strangers, GarbageBetweenFramesIsRefusedNamingTheLink) {
  auto [peer, channel] = Traitor();
  Bytes into(4);
  const Transfer receive = Receive(*channel, Activation(0), absl::MakeSpan(into));
  peer.Send(std::string(kFrameHeaderBytes, 'z'));
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("stage 0 -> 1"), HasSubstr("frame begins with 0x")));
}

// The other way round: what a dialler may meet at its neighbour's address.
class Impostors : public ::testing::Test {
 protected:
  Connected Connect(absl::Time deadline) {
    Connected connected;
    transport_->Connect(listener_.address(), MakeLink(0, 1), kOptions, deadline,
                        connected.Callback());
    return connected;
  }
  // Answers an introduction as one who knows `secret`.
  void Welcome(RawPeer& peer, const std::string& secret) {
    const Nonce nonce = RandomNonce();
    peer.Send(EncodeGreeting(nonce));
    const Bytes bytes = peer.Read(kIntroductionBytes);
    IntroductionBytes introduction;
    ASSERT_EQ(bytes.size(), introduction.size());
    std::copy(bytes.begin(), bytes.end(), introduction.begin());
    const Introduction got = *DecodeIntroduction(introduction);
    peer.Send(EncodeVerdict(
        {VerdictCode::kWelcome, Prove(Prover::kAcceptor, secret, got.link, got.nonce, nonce)}));
  }

  RawListener listener_;
  const std::unique_ptr<Transport> transport_ = *ListenTcp(TcpOptions());
};

TEST_F(Impostors, AWelcomeWithoutTheSecretIsNotBelieved) {
  const Connected connected = Connect(Later());
  RawPeer peer = listener_.Accept();
  Welcome(peer, "a guess");
  const absl::Status status = connected.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(status), HasSubstr("could not prove that it knows the secret"));
}

TEST_F(Impostors, AnotherWireVersionEndsTheDialNamingBoth) {
  const Connected connected = Connect(Later());
  RawPeer peer = listener_.Accept();
  GreetingBytes greeting = EncodeGreeting({});
  greeting[4] = std::byte{7};
  peer.Send(greeting);
  const absl::Status status = connected.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("version 7"), HasSubstr("this worker 1")));
}

TEST_F(Impostors, AnotherProtocolIsNamedAtTheDeadline) {
  const Connected connected = Connect(Soon());
  RawPeer peer = listener_.Accept();
  peer.Send("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
  const absl::Status status = connected.Take().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(status), AllOf(HasSubstr(listener_.address()), HasSubstr("stage 0 -> 1")));
}

TEST_F(Impostors, AReceiverThatSpeaksIsCutOff) {
  const Connected connected = Connect(Later());
  RawPeer peer = listener_.Accept();
  Welcome(peer, "secret");
  const auto sender = connected.Take();
  ASSERT_TRUE(sender.ok());
  peer.Send("hello");
  const Bytes payload = MakePayload(64 << 20, 0);
  const absl::Status status = Send(**sender, Activation(0), payload).Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("stage 0 -> 1"), HasSubstr("only receives")));
}

}  // namespace
}  // namespace paci
