// What every transport promises (common/transport/channel.h), run against each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "common/telemetry/process_memory.h"
#include "tests/unit/transport/gpu_networks.h"
#include "tests/unit/transport/transport_testing.h"

namespace paci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr absl::string_view kLinkText = "job kjv-1, generation 2, stage 0 -> 1";

class Conformance : public ::testing::TestWithParam<Network> {
 protected:
  std::unique_ptr<Transport> Make() { return make_(); }
  Ends Join() { return paci::Join(*a_, *b_, MakeLink(0, 1)); }

  const std::function<std::unique_ptr<Transport>()> make_ = GetParam().make();
  std::unique_ptr<Transport> a_ = Make();
  std::unique_ptr<Transport> b_ = Make();
};

INSTANTIATE_TEST_SUITE_P(Transports, Conformance,
                         ::testing::Values(InprocNetwork(), TcpNetwork(), EncryptedTcpNetwork(),
                                           Delayed(InprocNetwork()), Delayed(TcpNetwork()),
                                           StagedNetwork(), NcclNetwork()),
                         [](const auto& info) { return info.param.name; });

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_P(Conformance, DeliversFramesInOrderBothWays) {
  const Ends there = paci::Join(*a_, *b_, MakeLink(0, 1));
  const Ends back = paci::Join(*b_, *a_, MakeLink(1, 0));
  constexpr int kFrames = 100;
  std::vector<Bytes> sent, at_b(kFrames), at_a(kFrames);
  std::vector<Transfer> transfers;
  for (int i = 0; i < kFrames; ++i) sent.push_back(MakePayload(size_t{13} * i, i));
  for (int i = 0; i < kFrames; ++i) {
    at_b[i].resize(sent[i].size());
    at_a[i].resize(sent[i].size());
    const FrameTag gradient{FrameKind::kGradient, 3, static_cast<uint64_t>(i)};
    transfers.push_back(Send(*there.sender, Activation(i), sent[i]));
    transfers.push_back(Send(*back.sender, gradient, sent[i]));
    transfers.push_back(Receive(*there.receiver, Activation(i), absl::MakeSpan(at_b[i])));
    transfers.push_back(Receive(*back.receiver, gradient, absl::MakeSpan(at_a[i])));
  }
  for (const Transfer& transfer : transfers) EXPECT_TRUE(transfer.Take().ok());
  EXPECT_EQ(at_b, sent);
  EXPECT_EQ(at_a, sent);
}

TEST_P(Conformance, CompletesTransfersInTheOrderOfTheCalls) {
  const Ends ends = Join();
  constexpr int kFrames = 50;
  absl::Mutex mutex;
  std::vector<int> sends, receives;
  const Bytes payload = MakePayload(1000, 1);
  std::vector<Bytes> into(kFrames, Bytes(payload.size()));
  for (int i = 0; i < kFrames; ++i) {
    ends.receiver->Receive(Activation(i), absl::MakeSpan(into[i]), [&, i](const absl::Status&) {
      absl::MutexLock lock(&mutex);
      receives.push_back(i);
    });
    ends.sender->Send(Activation(i), payload, [&, i](const absl::Status&) {
      absl::MutexLock lock(&mutex);
      sends.push_back(i);
    });
  }
  absl::MutexLock lock(&mutex);
  const auto all = [&] { return sends.size() == kFrames && receives.size() == kFrames; };
  mutex.Await(absl::Condition(&all));
  for (int i = 0; i < kFrames; ++i) {
    EXPECT_EQ(sends[i], i);
    EXPECT_EQ(receives[i], i);
  }
}

TEST_P(Conformance, CarriesEverySizeUnchangedWithAndWithoutChecksums) {
  for (const bool checksums : {true, false}) {
    const Ends ends = paci::Join(*a_, *b_, MakeLink(0, 1), {"secret", checksums});
    uint64_t index = 0;
    for (const size_t size : {0, 1, 39, 40, 41, 4095, 65535, 65536, 65537, 1 << 20, 64 << 20}) {
      const Bytes sent = MakePayload(size, index);
      Bytes received(size);
      const Transfer receive = Receive(*ends.receiver, Activation(index), absl::MakeSpan(received));
      const Transfer send = Send(*ends.sender, Activation(index), sent);
      ASSERT_TRUE(receive.Take().ok()) << size;
      ASSERT_TRUE(send.Take().ok()) << size;
      EXPECT_TRUE(received == sent) << size;
      ++index;
    }
  }
}

TEST_P(Conformance, ReceivesWhatWasSentBeforeAReceiveWasPosted) {
  const Ends ends = Join();
  const Bytes first = MakePayload(100, 1), second = MakePayload(100, 2), third = {};
  const Transfer send_first = Send(*ends.sender, Activation(0), first);
  const Transfer send_second = Send(*ends.sender, {FrameKind::kEvaluation, 0, 7}, second);
  Bytes got_first(100), got_second(100);
  EXPECT_TRUE(Receive(*ends.receiver, Activation(0), absl::MakeSpan(got_first)).Take().ok());
  EXPECT_TRUE(Receive(*ends.receiver, {FrameKind::kEvaluation, 0, 7}, absl::MakeSpan(got_second))
                  .Take()
                  .ok());
  EXPECT_TRUE(send_first.Take().ok());
  EXPECT_TRUE(send_second.Take().ok());
  EXPECT_EQ(got_first, first);
  EXPECT_EQ(got_second, second);
}

TEST_P(Conformance, IsDoneWithTheSendersMemoryWhenItSaysSo) {
  const Ends ends = Join();
  constexpr int kFrames = 30;
  constexpr size_t kSize = 300'000;
  std::vector<Bytes> received(kFrames, Bytes(kSize));
  std::vector<Transfer> receives;
  receives.reserve(kFrames);
  for (int i = 0; i < kFrames; ++i) {
    receives.push_back(Receive(*ends.receiver, Activation(i), absl::MakeSpan(received[i])));
  }
  Bytes reused;
  for (int i = 0; i < kFrames; ++i) {
    reused = MakePayload(kSize, i);
    ASSERT_TRUE(Send(*ends.sender, Activation(i), reused).Take().ok());
    std::fill(reused.begin(), reused.end(), std::byte{0xee});
  }
  for (int i = 0; i < kFrames; ++i) {
    ASSERT_TRUE(receives[i].Take().ok());
    EXPECT_TRUE(received[i] == MakePayload(kSize, i)) << i;
  }
}

TEST_P(Conformance, RefusesAFrameOfAnotherTagNamingBoth) {
  const Ends ends = Join();
  Bytes into(8, std::byte{7});
  const Transfer receive = Receive(*ends.receiver, Activation(4), absl::MakeSpan(into));
  const Transfer next = Receive(*ends.receiver, Activation(5), absl::MakeSpan(into));
  const Bytes payload = MakePayload(8, 1);
  Send(*ends.sender, {FrameKind::kEvaluation, 1, 3}, payload);
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Message(status),
            "the link of job kjv-1, generation 2, stage 0 -> 1 brought validation "
            "activation 3 of chunk 1 of 8 bytes where activation 4 of 8 bytes "
            "comes next");
  EXPECT_EQ(next.Take(), status);
  EXPECT_EQ(Receive(*ends.receiver, Activation(6), absl::MakeSpan(into)).Take(), status);
  EXPECT_EQ(into, Bytes(8, std::byte{7}));
  const absl::Status at_sender = SendUntilClosed(*ends.sender);
  EXPECT_EQ(at_sender.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(at_sender), AllOf(HasSubstr(kLinkText), HasSubstr(b_->address())));
}

TEST_P(Conformance, RefusesAFrameOfAnotherSizeNamingBoth) {
  for (const size_t size : {0, 7, 9}) {
    const Ends ends = Join();
    Bytes into(8, std::byte{7});
    const Transfer receive = Receive(*ends.receiver, Activation(4), absl::MakeSpan(into));
    const Bytes payload = MakePayload(size, 1);
    Send(*ends.sender, Activation(4), payload);
    const absl::Status status = receive.Take();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Message(status), HasSubstr(absl::StrCat("brought activation 4 of ", size,
                                                        " bytes where activation 4 of 8 bytes")));
    EXPECT_EQ(into, Bytes(8, std::byte{7}));
    EXPECT_EQ(SendUntilClosed(*ends.sender).code(), absl::StatusCode::kUnavailable);
  }
}

TEST_P(Conformance, CloseEndsEveryOutstandingReceiveOnceWithItsReason) {
  const Ends ends = Join();
  std::vector<Bytes> into(5, Bytes(100));
  std::vector<Transfer> receives;
  for (size_t i = 0; i < into.size(); ++i) {
    receives.push_back(Receive(*ends.receiver, Activation(i), absl::MakeSpan(into[i])));
  }
  const absl::Status reason = absl::AbortedError("the stage was stopped");
  ends.receiver->Close(reason);
  for (const Transfer& receive : receives) {
    EXPECT_EQ(receive.calls(), 1);
    EXPECT_EQ(receive.Take(), reason);
  }
  ends.receiver->Close(absl::InternalError("a second reason"));
  EXPECT_EQ(Receive(*ends.receiver, Activation(0), absl::MakeSpan(into[0])).Take(), reason);
  EXPECT_EQ(SendUntilClosed(*ends.sender).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Conformance, CloseEndsEveryOutstandingSendOnceWithItsReason) {
  const Ends ends = Join();
  const Bytes payload = MakePayload(64 << 20, 1);
  std::vector<Transfer> sends;
  sends.reserve(5);
  for (int i = 0; i < 5; ++i) sends.push_back(Send(*ends.sender, Activation(i), payload));
  const absl::Status reason = absl::AbortedError("the stage was stopped");
  ends.sender->Close(reason);
  for (const Transfer& send : sends) {
    EXPECT_EQ(send.calls(), 1);
    EXPECT_EQ(send.Take(), reason);
  }
  EXPECT_EQ(Send(*ends.sender, Activation(9), payload).Take(), reason);
}

TEST_P(Conformance, ADestroyedEndHasCalledEveryCallbackOnceAndCallsNoneLater) {
  const Bytes payload = MakePayload(200'000, 1);
  for (int round = 0; round < 20; ++round) {
    Ends ends = Join();
    constexpr int kFrames = 20;
    std::atomic<int> sends{0}, receives{0};
    std::atomic<bool> is_gone{false};
    std::vector<Bytes> into(kFrames, Bytes(payload.size()));
    for (int i = 0; i < kFrames; ++i) {
      ends.receiver->Receive(Activation(i), absl::MakeSpan(into[i]), [&](const absl::Status&) {
        EXPECT_FALSE(is_gone);
        ++receives;
      });
      ends.sender->Send(Activation(i), payload, [&](const absl::Status&) { ++sends; });
    }
    if (round % 2 == 0) {
      ends.receiver.reset();
      is_gone = true;
      EXPECT_EQ(receives, kFrames);
      ends.sender.reset();
      EXPECT_EQ(sends, kFrames);
    } else {
      ends.sender.reset();
      EXPECT_EQ(sends, kFrames);
      ends.receiver.reset();
      is_gone = true;
      EXPECT_EQ(receives, kFrames);
    }
  }
}

TEST_P(Conformance, ASenderThatLeftIsNamedToTheReceiver) {
  Ends ends = Join();
  Bytes into(8);
  const Transfer receive = Receive(*ends.receiver, Activation(0), absl::MakeSpan(into));
  ends.sender.reset();
  const absl::Status status = receive.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status), AllOf(HasSubstr("lost the peer "), HasSubstr(kLinkText)));
}

TEST_P(Conformance, AReceiverThatLeftIsNamedToTheSender) {
  Ends ends = Join();
  const Bytes payload = MakePayload(64 << 20, 0);
  const Transfer send = Send(*ends.sender, Activation(0), payload);
  ends.receiver.reset();
  const absl::Status status = send.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Message(status),
              AllOf(HasSubstr("lost the peer "), HasSubstr(kLinkText), HasSubstr(b_->address())));
}

TEST_P(Conformance, AChannelMayBeClosedFromItsOwnCallback) {
  const Ends ends = Join();
  const Bytes payload = MakePayload(8, 0);
  Bytes into(8), never(8);
  const absl::Status reason = absl::AbortedError("enough");
  const Transfer first, second;
  ends.receiver->Receive(Activation(0), absl::MakeSpan(into), [&](const absl::Status& status) {
    ends.receiver->Close(reason);
    first.Callback()(status);
  });
  ends.receiver->Receive(Activation(1), absl::MakeSpan(never), second.Callback());
  EXPECT_TRUE(Send(*ends.sender, Activation(0), payload).Take().ok());
  EXPECT_TRUE(first.Take().ok());
  EXPECT_EQ(second.Take(), reason);
}

TEST_P(Conformance, AChannelMayBeDestroyedInTheCallbackThatBringsIt) {
  const Transfer dropped;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Later(), [&](auto channel) {
    const absl::Status status = channel.status();
    channel = absl::CancelledError("not wanted any more");
    dropped.Callback()(status);
  });
  const Connected connected;
  a_->Connect(b_->address(), MakeLink(0, 1), {"secret", true}, Later(), connected.Callback());
  EXPECT_TRUE(dropped.Take().ok());
  const auto sender = connected.Take();
  ASSERT_TRUE(sender.ok());
  EXPECT_EQ(SendUntilClosed(**sender).code(), absl::StatusCode::kUnavailable);
}

TEST_P(Conformance, AChannelOutlivesItsTransport) {
  const Ends ends = Join();
  a_.reset();
  b_.reset();
  const Bytes payload = MakePayload(100, 3);
  Bytes into(100);
  const Transfer receive = Receive(*ends.receiver, Activation(0), absl::MakeSpan(into));
  EXPECT_TRUE(Send(*ends.sender, Activation(0), payload).Take().ok());
  EXPECT_TRUE(receive.Take().ok());
  EXPECT_EQ(into, payload);
}

TEST_P(Conformance, ADiallerTriesAgainUntilTheLinkIsAccepted) {
  const Connected connected;
  a_->Connect(b_->address(), MakeLink(0, 1), {"secret", true}, Later(), connected.Callback());
  // The first attempts have been turned down by the time that another link stands.
  paci::Join(*a_, *b_, MakeLink(4, 5));
  EXPECT_EQ(connected.calls(), 0);
  const Accepted accepted;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Later(), accepted.Callback());
  EXPECT_TRUE(accepted.Take().ok());
  EXPECT_TRUE(connected.Take().ok());
}

TEST_P(Conformance, WhoeverWaitsInVainIsToldAtItsDeadline) {
  const Accepted accepted;
  const Connected connected;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Soon(), accepted.Callback());
  a_->Connect(b_->address(), MakeLink(2, 3), {"secret", true}, Soon(), connected.Callback());
  const absl::Status at_accept = accepted.Take().status();
  const absl::Status at_connect = connected.Take().status();
  EXPECT_EQ(at_accept.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(at_accept), HasSubstr(kLinkText));
  EXPECT_EQ(at_connect.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Message(at_connect), HasSubstr("job kjv-1, generation 2, stage 2 -> 3"));
}

TEST_P(Conformance, CancelEndsOneGenerationBeforeItReturnsAndTouchesNothingElse) {
  const Ends ends = Join();
  const Accepted old_accept, new_accept;
  const Connected old_connect, new_connect;
  b_->Accept(MakeLink(4, 5, 1), {"secret", true}, Later(), old_accept.Callback());
  b_->Accept(MakeLink(4, 5, 2), {"secret", true}, Later(), new_accept.Callback());
  b_->Connect(a_->address(), MakeLink(6, 7, 1), {"secret", true}, Later(), old_connect.Callback());
  b_->Connect(a_->address(), MakeLink(6, 7, 2), {"secret", true}, Later(), new_connect.Callback());
  a_->Cancel("kjv-1", 1);
  b_->Cancel("another-job", 1);
  EXPECT_EQ(old_accept.calls() + old_connect.calls(), 0);
  b_->Cancel("kjv-1", 1);
  ASSERT_EQ(old_accept.calls(), 1);
  ASSERT_EQ(old_connect.calls(), 1);
  EXPECT_EQ(old_accept.Take().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(old_connect.Take().status().code(), absl::StatusCode::kCancelled);

  const Accepted partner_accept;
  const Connected partner_connect;
  a_->Accept(MakeLink(6, 7, 2), {"secret", true}, Later(), partner_accept.Callback());
  a_->Connect(b_->address(), MakeLink(4, 5, 2), {"secret", true}, Later(),
              partner_connect.Callback());
  EXPECT_TRUE(new_accept.Take().ok());
  EXPECT_TRUE(new_connect.Take().ok());
  EXPECT_TRUE(partner_accept.Take().ok());
  EXPECT_TRUE(partner_connect.Take().ok());
  Bytes into(4);
  const Transfer receive = Receive(*ends.receiver, Activation(0), absl::MakeSpan(into));
  EXPECT_TRUE(Send(*ends.sender, Activation(0), MakePayload(4, 0)).Take().ok());
  EXPECT_TRUE(receive.Take().ok());
}

TEST_P(Conformance, ATransportThatGoesCancelsWhatIsPendingThere) {
  const Accepted accepted;
  const Connected connected;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Later(), accepted.Callback());
  b_->Connect(a_->address(), MakeLink(1, 0), {"secret", true}, Later(), connected.Callback());
  b_.reset();
  ASSERT_EQ(accepted.calls(), 1);
  ASSERT_EQ(connected.calls(), 1);
  EXPECT_EQ(accepted.Take().status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(connected.Take().status().code(), absl::StatusCode::kCancelled);
}

TEST_P(Conformance, RefusesAnotherSecretAndGoesOnWaitingForTheRightOne) {
  const Accepted accepted;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Later(), accepted.Callback());
  const Connected wrong, right;
  a_->Connect(b_->address(), MakeLink(0, 1), {"Secret", true}, Later(), wrong.Callback());
  const absl::Status refused = wrong.Take().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Message(refused), HasSubstr(kLinkText));
  EXPECT_EQ(accepted.calls(), 0);
  a_->Connect(b_->address(), MakeLink(0, 1), {"secret", true}, Later(), right.Callback());
  EXPECT_TRUE(right.Take().ok());
  EXPECT_TRUE(accepted.Take().ok());
}

TEST_P(Conformance, AnOldGenerationNeverReachesTheNewOne) {
  const Accepted accepted;
  b_->Accept(MakeLink(0, 1, 2), {"secret", true}, Later(), accepted.Callback());
  const Connected old_one, new_one;
  a_->Connect(b_->address(), MakeLink(0, 1, 1), {"secret", true}, Soon(), old_one.Callback());
  EXPECT_EQ(old_one.Take().status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(accepted.calls(), 0);
  a_->Connect(b_->address(), MakeLink(0, 1, 2), {"secret", true}, Later(), new_one.Callback());
  EXPECT_TRUE(new_one.Take().ok());
  EXPECT_TRUE(accepted.Take().ok());
}

TEST_P(Conformance, TurnsDownASecondAcceptOfALinkThatIsAwaited) {
  const Accepted first, second;
  b_->Accept(MakeLink(0, 1), {"secret", true}, Later(), first.Callback());
  b_->Accept(MakeLink(0, 1), {"other", true}, Soon(), second.Callback());
  EXPECT_EQ(second.Take().status().code(), absl::StatusCode::kAlreadyExists);
  const Connected connected;
  a_->Connect(b_->address(), MakeLink(0, 1), {"secret", true}, Later(), connected.Callback());
  EXPECT_TRUE(connected.Take().ok());
  EXPECT_TRUE(first.Take().ok());
}

TEST_P(Conformance, KeepsManyLinksApart) {
  if (GetParam().name == "Nccl") GTEST_SKIP() << "NCCL joins no device with itself";
  constexpr uint32_t kLinks = 64;
  std::vector<Accepted> accepted(kLinks);
  std::vector<Connected> connected(kLinks);
  for (uint32_t i = 0; i < kLinks; ++i) {
    Transport& to = i % 2 == 0 ? *a_ : *b_;
    Transport& from = i % 3 == 0 ? *a_ : *b_;
    from.Connect(to.address(), MakeLink(i, i + 1), {absl::StrCat(i), true}, Later(),
                 connected[i].Callback());
    to.Accept(MakeLink(i, i + 1), {absl::StrCat(i), true}, Later(), accepted[i].Callback());
  }
  std::vector<Ends> ends;
  for (uint32_t i = 0; i < kLinks; ++i) {
    ends.push_back({*connected[i].Take(), *accepted[i].Take()});
  }
  std::vector<Bytes> received(kLinks, Bytes(5000));
  std::vector<Transfer> transfers;
  std::vector<Bytes> sent;
  for (uint32_t i = 0; i < kLinks; ++i) sent.push_back(MakePayload(5000, i));
  for (uint32_t i = 0; i < kLinks; ++i) {
    transfers.push_back(Send(*ends[i].sender, Activation(i), sent[i]));
    transfers.push_back(Receive(*ends[i].receiver, Activation(i), absl::MakeSpan(received[i])));
  }
  for (const Transfer& transfer : transfers) EXPECT_TRUE(transfer.Take().ok());
  EXPECT_EQ(received, sent);
}

TEST_P(Conformance, CountsFramesAndPayloadBytesAtBothEnds) {
  const Ends ends = Join();
  for (const size_t size : {10, 0, 500}) {
    const Bytes payload = MakePayload(size, 0);
    Bytes into(size);
    const Transfer receive = Receive(*ends.receiver, Activation(size), absl::MakeSpan(into));
    ASSERT_TRUE(Send(*ends.sender, Activation(size), payload).Take().ok());
    ASSERT_TRUE(receive.Take().ok());
  }
  EXPECT_EQ(ends.sender->stats().frames, 3);
  EXPECT_EQ(ends.sender->stats().payload_bytes, 510);
  EXPECT_EQ(ends.receiver->stats().frames, 3);
  EXPECT_EQ(ends.receiver->stats().payload_bytes, 510);
}

TEST_P(Conformance, ASenderFarAheadWaitsAndCostsNoMemory) {
  const Ends ends = Join();
  constexpr int kFrames = 64;
  const Bytes payload = MakePayload(4 << 20, 1);
  Bytes into(payload.size());
  const uint64_t before = ReadProcessMemory()->resident_bytes;
  std::vector<Transfer> sends;
  sends.reserve(kFrames);
  for (int i = 0; i < kFrames; ++i) sends.push_back(Send(*ends.sender, Activation(i), payload));
  for (int i = 0; i < kFrames / 2; ++i) {
    ASSERT_TRUE(Receive(*ends.receiver, Activation(i), absl::MakeSpan(into)).Take().ok());
  }
  EXPECT_EQ(sends.back().calls(), 0);
  EXPECT_LT(ReadProcessMemory()->resident_bytes, before + (32 << 20));
  for (int i = kFrames / 2; i < kFrames; ++i) {
    ASSERT_TRUE(Receive(*ends.receiver, Activation(i), absl::MakeSpan(into)).Take().ok());
  }
  for (const Transfer& send : sends) EXPECT_TRUE(send.Take().ok());
  EXPECT_TRUE(into == payload);
}

}  // namespace
}  // namespace paci
