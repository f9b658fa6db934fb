// The order of the calls that NCCL links make, on GPUs that are simulated
// (tests/support/gpu_world.h), and what they do when the other side is not as it should be.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "tests/unit/transport/gpu_networks.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A row of stages with a GPU each, which passes frames along as training does: a kernel reads what
// came into a buffer of a ring and writes what goes on, down the row and back.
class Row {
 public:
  Row(uint64_t seed, int stages, std::unique_ptr<Transport> (*make)(GpuWorld::Process&))
      : world_(seed) {
    for (int i = 0; i < stages; ++i) {
      processes_.push_back(&world_.MakeProcess());
      transports_.push_back(make(*processes_.back()));
    }
    for (uint32_t i = 0; i + 1 < static_cast<uint32_t>(stages); ++i) {
      down_.push_back(Join(*transports_[i], *transports_[i + 1], MakeLink(i, i + 1)));
      up_.push_back(Join(*transports_[i + 1], *transports_[i], MakeLink(i + 1, i)));
    }
  }
  ~Row() {
    down_.clear();
    up_.clear();
    transports_.clear();
  }

  // Each stage's host runs ahead of its device: it waits for what came, never for what it computes.
  void Pass(int frames, int ring, std::mt19937_64& random) {
    const size_t bytes = 64 + random() % 1000;
    const int hops = static_cast<int>(down_.size());
    for (int direction = 0; direction < 2; ++direction) {
      std::vector<Ends>& links = direction == 0 ? down_ : up_;
      // Where the frames of a link leave from, and where they arrive.
      std::vector<std::vector<Bytes>>& from =
          buffers_.emplace_back(hops, std::vector<Bytes>(ring, Bytes(bytes)));
      std::vector<std::vector<Bytes>>& into =
          buffers_.emplace_back(hops, std::vector<Bytes>(ring, Bytes(bytes)));
      std::vector<std::vector<Transfer>> sends(hops), receives(hops);
      for (int frame = 0; frame < frames; ++frame) {
        const auto value = static_cast<std::byte>(random());
        for (int h = 0; h < hops; ++h) {
          const int hop = direction == 0 ? h : hops - 1 - h;
          const int sender = direction == 0 ? hop : hop + 1;
          const int receiver = direction == 0 ? hop + 1 : hop;
          Bytes& out = from[hop][frame % ring];
          Bytes& in = into[hop][frame % ring];
          // The buffer's last frame has left.
          if (frame >= ring) {
            ASSERT_TRUE(sends[hop][frame - ring].Take().ok());
          }
          world_->Compute(processes_[sender]->number, {}, absl::MakeSpan(out), value);
          sends[hop].push_back(Send(*links[hop].sender, Activation(frame), out));
          receives[hop].push_back(
              Receive(*links[hop].receiver, Activation(frame), absl::MakeSpan(in)));
          ASSERT_TRUE(receives[hop][frame].Take().ok());
          EXPECT_EQ(in, Bytes(bytes, value));
          // Reads what came, after the host has gone on to post the buffer's next receive.
          world_->Compute(processes_[receiver]->number, in, {}, value);
        }
      }
      for (const auto& of_hop : sends) {
        for (int frame = std::max(0, frames - ring); frame < frames; ++frame) {
          EXPECT_TRUE(of_hop[frame].Take().ok());
        }
      }
    }
  }

 private:
  CheckedWorld world_;
  std::vector<GpuWorld::Process*> processes_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<Ends> down_, up_;
  // All that were ever used: what lies at an address stays there.
  std::deque<std::vector<std::vector<Bytes>>> buffers_;
};

TEST(Nccl, NeverUsesABufferBeforeTheWorkThatItNeedsIsDone) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    Row row(seed, 2 + static_cast<int>(random() % 3), MakeNccl);
    row.Pass(12, 1 + static_cast<int>(random() % 3), random);
  }
}

TEST(Staged, NeverUsesABufferBeforeTheWorkThatItNeedsIsDone) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    Row row(seed, 2 + static_cast<int>(random() % 3), MakeStaged);
    row.Pass(12, 1 + static_cast<int>(random() % 3), random);
  }
}

TEST(Staged, JoinsTwoStagesOfOneDevice) {
  CheckedWorld world(1);
  GpuWorld::Process& process = world.MakeProcess();
  const auto a = MakeStaged(process);
  const auto b = MakeStaged(process);
  const Ends ends = Join(*a, *b, MakeLink(0, 1));
  const Bytes sent = MakePayload(1000, 1);
  Bytes received(1000);
  const Transfer send = Send(*ends.sender, Activation(0), sent);
  EXPECT_TRUE(Receive(*ends.receiver, Activation(0), absl::MakeSpan(received)).Take().ok());
  EXPECT_TRUE(send.Take().ok());
  EXPECT_EQ(received, sent);
}

// A link that was joined, on two processes of one world.
class NcclFaults : public ::testing::Test {
 protected:
  CheckedWorld world_{1};
  GpuWorld::Process& near_ = world_.MakeProcess();
  GpuWorld::Process& far_ = world_.MakeProcess();
  std::unique_ptr<Transport> near_transport_ = MakeNccl(near_);
  std::unique_ptr<Transport> far_transport_ = MakeNccl(far_);
  Bytes buffer_ = Bytes(100);
};

TEST_F(NcclFaults, APeerWhoseGpuNeverJoinsIsGivenUpAtTheDeadline) {
  world_->Kill(far_.number);
  const Accepted accepted;
  const Connected connected;
  far_transport_->Accept(MakeLink(0, 1), {"secret"}, Soon(), accepted.Callback());
  near_transport_->Connect(far_transport_->address(), MakeLink(0, 1), {"secret"}, Soon(),
                           connected.Callback());
  const absl::Status status = connected.Take().status();
  // Whichever side is first to give up takes the connection with it.
  EXPECT_TRUE(status.code() == absl::StatusCode::kDeadlineExceeded ||
              status.code() == absl::StatusCode::kUnavailable)
      << status;
  EXPECT_FALSE(accepted.Take().ok());
}

TEST_F(NcclFaults, APeerThatDiesInTheMiddleEndsEveryTransferAndAbortsItsCommunicator) {
  Ends ends = Join(*near_transport_, *far_transport_, MakeLink(0, 1));
  const Transfer first = Send(*ends.sender, Activation(0), buffer_);
  const Transfer second = Send(*ends.sender, Activation(1), buffer_);
  // NCCL says nothing of it; the link's connection ends with the process.
  world_->Kill(far_.number);
  ends.receiver.reset();
  const absl::Status status = first.Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("lost the peer"));
  EXPECT_EQ(second.Take(), status);
}

TEST_F(NcclFaults, AnIdleReceiverNoticesThatItsSenderDied) {
  Ends ends = Join(*near_transport_, *far_transport_, MakeLink(0, 1));
  const Transfer receive = Receive(*ends.receiver, Activation(0), absl::MakeSpan(buffer_));
  world_->Kill(near_.number);
  ends.sender.reset();
  EXPECT_EQ(receive.Take().code(), absl::StatusCode::kUnavailable);
}

TEST_F(NcclFaults, AnErrorInTheBackgroundEndsTheChannelWithItsWords) {
  const Ends ends = Join(*near_transport_, *far_transport_, MakeLink(0, 1));
  world_->FailNccl(near_.number, absl::InternalError("NCCL, in the background: a cable fell out"));
  const absl::Status status = Send(*ends.sender, Activation(0), buffer_).Take();
  EXPECT_THAT(status.message(), HasSubstr("a cable fell out"));
}

TEST_F(NcclFaults, AFrameOfAnotherSizeNeverReachesTheDevice) {
  const Ends ends = Join(*near_transport_, *far_transport_, MakeLink(0, 1));
  Bytes shorter(99);
  const Transfer send = Send(*ends.sender, Activation(0), buffer_);
  const absl::Status status =
      Receive(*ends.receiver, Activation(0), absl::MakeSpan(shorter)).Take();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(status.message(), HasSubstr("100 bytes"));
  EXPECT_FALSE(send.Take().ok());
}

TEST_F(NcclFaults, ALinkThatIsToBeEncryptedIsRefused) {
  const Accepted accepted;
  LinkOptions options{"secret"};
  options.encrypt = true;
  near_transport_->Accept(MakeLink(0, 1), options, Later(), accepted.Callback());
  EXPECT_EQ(accepted.Take().status().code(), absl::StatusCode::kInvalidArgument);
}

// What the simulation is for: it finds what the code above must not do.
class GpuWorldFinds : public ::testing::Test {
 protected:
  void Meet() {
    const NcclId id = *near_.nccl->MakeId();
    near_comm_ = *near_.nccl->Join(id, 0);
    far_comm_ = *far_.nccl->Join(id, 1);
    Finish(*near_.nccl, near_comm_);
    Finish(*far_.nccl, far_comm_);
  }
  static void Finish(NcclApi& nccl, NcclComm comm) {
    while (*nccl.Poll(comm) != NcclApi::Progress::kDone) {
    }
  }

  GpuWorld world_{1};
  GpuWorld::Process near_ = world_.MakeProcess();
  GpuWorld::Process far_ = world_.MakeProcess();
  NcclComm near_comm_ = nullptr;
  NcclComm far_comm_ = nullptr;
  Bytes buffer_ = Bytes(100);
};

TEST_F(GpuWorldFinds, ASendThatDoesNotWaitForItsPayload) {
  Meet();
  world_.Compute(near_.number, {}, absl::MakeSpan(buffer_), std::byte{1});
  (void)near_.nccl->Send(near_comm_, buffer_, *near_.cuda->CreateStream());
  Finish(*near_.nccl, near_comm_);
  EXPECT_THAT(world_.findings(), ElementsAre(HasSubstr("uses memory before a kernel")));
}

TEST_F(GpuWorldFinds, AReceiveIntoABufferThatIsStillRead) {
  Meet();
  world_.Compute(far_.number, buffer_, {}, std::byte{1});
  (void)far_.nccl->Receive(far_comm_, absl::MakeSpan(buffer_), *far_.cuda->CreateStream());
  Finish(*far_.nccl, far_comm_);
  EXPECT_THAT(world_.findings(), ElementsAre(HasSubstr("uses memory before a kernel")));
}

TEST_F(GpuWorldFinds, TwoSidesThatBothSendFirstOnOneStream) {
  Meet();
  const NcclId id = *far_.nccl->MakeId();
  const NcclComm back_from = *far_.nccl->Join(id, 0);
  const NcclComm back_to = *near_.nccl->Join(id, 1);
  Finish(*far_.nccl, back_from);
  Finish(*near_.nccl, back_to);
  Bytes other(100), came(100), came_back(100);
  const CudaStream near_stream = *near_.cuda->CreateStream();
  const CudaStream far_stream = *far_.cuda->CreateStream();
  (void)near_.nccl->Send(near_comm_, buffer_, near_stream);
  (void)far_.nccl->Send(back_from, other, far_stream);
  Finish(*near_.nccl, near_comm_);
  Finish(*far_.nccl, back_from);
  (void)near_.nccl->Receive(back_to, absl::MakeSpan(came_back), near_stream);
  (void)far_.nccl->Receive(far_comm_, absl::MakeSpan(came), far_stream);
  Finish(*near_.nccl, back_to);
  Finish(*far_.nccl, far_comm_);
  EXPECT_THAT(world_.Stuck(), SizeIs(2));
}

TEST_F(GpuWorldFinds, AStreamThatGoesBeforeItsTransferIsAborted) {
  Meet();
  const CudaStream stream = *near_.cuda->CreateStream();
  (void)near_.nccl->Send(near_comm_, buffer_, stream);
  Finish(*near_.nccl, near_comm_);
  near_.cuda->DestroyStream(stream);
  EXPECT_THAT(world_.findings(), ElementsAre(HasSubstr("before it is idle")));
  EXPECT_EQ(world_.leaks(), "2 communicators ");
}

TEST_F(GpuWorldFinds, ACallWhileAnotherIsUnderWay) {
  near_comm_ = *near_.nccl->Join(*near_.nccl->MakeId(), 0);
  (void)near_.nccl->Send(near_comm_, buffer_, *near_.cuda->CreateStream());
  EXPECT_THAT(world_.findings(), ElementsAre(HasSubstr("while a call of it is under way")));
}

TEST_F(GpuWorldFinds, NothingWhereAllIsInOrder) {
  Meet();
  const CudaStream stream = *near_.cuda->CreateStream();
  const CudaEvent event = *near_.cuda->CreateEvent();
  world_.Compute(near_.number, {}, absl::MakeSpan(buffer_), std::byte{1});
  ASSERT_TRUE(near_.cuda->Record(event, kComputeStream).ok());
  ASSERT_TRUE(near_.cuda->MakeWait(stream, event).ok());
  (void)near_.nccl->Send(near_comm_, buffer_, stream);
  Finish(*near_.nccl, near_comm_);
  EXPECT_THAT(world_.findings(), IsEmpty());
}

}  // namespace
}  // namespace paci
