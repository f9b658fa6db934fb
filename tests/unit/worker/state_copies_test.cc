#include "worker/stage/state_copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "tests/unit/worker/runtime_pipeline.h"
#include "worker/stage/emulated_compute.h"

namespace paci {
namespace {

using testing::HasSubstr;

// One link between two transports, up to its ends.
struct Ends {
  std::vector<std::unique_ptr<Transport>> transports;
  std::unique_ptr<SendChannel> out;
  std::unique_ptr<ReceiveChannel> in;
};

Ends Connect(Wire wire) {
  Ends ends;
  ends.transports = MakeTransports(2, wire);
  const LinkId link = {"test-1", 1, 0, 1, 2};
  const LinkOptions options = {"secret", true};
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  absl::BlockingCounter pending(2);
  ends.transports[1]->Accept(link, options, deadline, [&](auto channel) {
    ends.in = *std::move(channel);
    pending.DecrementCount();
  });
  ends.transports[0]->Connect(ends.transports[1]->address(), link, options, deadline,
                              [&](auto channel) {
                                ends.out = *std::move(channel);
                                pending.DecrementCount();
                              });
  pending.Wait();
  return ends;
}

StateCopy CopyOf(const std::vector<float>& values, uint64_t update) {
  const auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  UnitTensors unit;
  unit.unit = 3;
  unit.weights = {{"weight",
                   Dtype::kF32,
                   {static_cast<int64_t>(values.size())},
                   {bytes, values.size() * sizeof(float)}}};
  StateCopy copy;
  copy.Take(update, {unit});
  return copy;
}

class StateCopies : public testing::TestWithParam<Wire> {};
INSTANTIATE_TEST_SUITE_P(Wires, StateCopies, testing::Values(Wire::kInproc, Wire::kTcp));

TEST_P(StateCopies, TheNewestThatCameWholeIsKept) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  CopySender sender(std::move(ends.out));
  EXPECT_EQ(receiver.Newest(), nullptr);
  for (const size_t floats : {1000, 200000, 10}) {
    const std::vector<float> values(floats, static_cast<float>(floats));
    const StateCopy copy = CopyOf(values, floats);
    ASSERT_EQ(sender.Send(copy), absl::OkStatus());
    ASSERT_EQ(sender.Await(), absl::OkStatus());
    while (receiver.Newest() == nullptr || receiver.Newest()->update() != floats) {
      std::this_thread::yield();
    }
    EXPECT_EQ(receiver.Newest()->bytes(), copy.bytes());
    EXPECT_EQ(receiver.Newest()->units().at(0).weights.at(0).name, "weight");
  }
}

TEST_P(StateCopies, ABufferIsUsedAgainWhenNobodyHasItsCopy) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  CopySender sender(std::move(ends.out));
  const auto pass_on = [&](uint64_t update) {
    const StateCopy copy = CopyOf(std::vector<float>(100, static_cast<float>(update)), update);
    EXPECT_EQ(sender.Send(copy), absl::OkStatus());
    EXPECT_EQ(sender.Await(), absl::OkStatus());
    while (receiver.Newest() == nullptr || receiver.Newest()->update() != update) {
      std::this_thread::yield();
    }
    return receiver.Newest();
  };
  const auto first = pass_on(1);
  const std::vector<std::byte> bytes(first->bytes().begin(), first->bytes().end());
  const std::byte* const second = pass_on(2)->bytes().data();
  const std::byte* const third = pass_on(3)->bytes().data();
  EXPECT_THAT(first->bytes(), testing::ElementsAreArray(bytes));
  EXPECT_EQ(pass_on(4)->bytes().data(), second);
  EXPECT_EQ(pass_on(5)->bytes().data(), third);
}

TEST_P(StateCopies, HalfACopyIsNone) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  const std::vector<float> values(100, 1.0F);
  const StateCopy copy = CopyOf(values, 1);
  const std::string header = *copy.Header();
  const std::array<uint64_t, 2> sizes = {header.size(), copy.bytes().size()};
  absl::BlockingCounter pending(2);
  const auto done = [&](const absl::Status&) { pending.DecrementCount(); };
  ends.out->Send({FrameKind::kStateCopy, 0, 0},
                 {reinterpret_cast<const std::byte*>(sizes.data()), sizeof(sizes)}, done);
  ends.out->Send({FrameKind::kStateCopy, 0, 1},
                 {reinterpret_cast<const std::byte*>(header.data()), header.size()}, done);
  pending.Wait();
  ends.out.reset();
  EXPECT_EQ(receiver.AwaitFirst().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(receiver.Newest(), nullptr);
}

// Whatever is on its way.
TEST_P(StateCopies, AReceiverMayEndAtAnyTime) {
  const std::vector<float> values(10, 1.0F);
  for (int round = 0; round < 50; ++round) {
    Ends ends = Connect(GetParam());
    auto receiver = std::make_unique<CopyReceiver>(std::move(ends.in));
    std::thread sending([&] {
      CopySender sender(std::move(ends.out));
      for (uint64_t update = 1; update < 50; ++update) {
        const StateCopy copy = CopyOf(values, update);
        if (!sender.Send(copy).ok() || !sender.Await().ok()) return;
      }
    });
    ASSERT_TRUE(receiver->AwaitFirst().ok());
    receiver.reset();
    sending.join();
  }
}

TEST_P(StateCopies, WhoWaitsForACopyLearnsThatNoneComes) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  ends.out.reset();
  EXPECT_EQ(receiver.AwaitFirst().status().code(), absl::StatusCode::kUnavailable);
}

TEST_P(StateCopies, AReceiverThatIsStoppedSaysWhy) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  receiver.Close(absl::CancelledError("the stage was released"));
  EXPECT_THAT(receiver.AwaitFirst().status().message(), HasSubstr("released"));
}

TEST_P(StateCopies, AStageIsCopiedAsOftenAsItIsAskedFor) {
  Ends ends = Connect(GetParam());
  CopyReceiver receiver(std::move(ends.in));
  const auto compute = MakeEmulatedCompute(SpecOf({.stages = 2}), 0);
  Replicator replicator(compute.get(), std::move(ends.out), /*every=*/3);
  std::vector<uint64_t> kept;
  for (int64_t update = 5; update <= 11; ++update) {
    replicator.AfterUpdate(update);
    if (update % 3 != 2) continue;
    while (receiver.Newest() == nullptr ||
           receiver.Newest()->update() != static_cast<uint64_t>(update)) {
      std::this_thread::yield();
    }
    kept.push_back(receiver.Newest()->update());
  }
  EXPECT_THAT(kept, testing::ElementsAre(5, 8, 11));
}

// The stage goes on when nobody keeps its copy any more.
TEST_P(StateCopies, ANeighbourThatIsGoneHoldsNobodyUp) {
  Ends ends = Connect(GetParam());
  const auto compute = MakeEmulatedCompute(SpecOf({.stages = 2}), 0);
  Replicator replicator(compute.get(), std::move(ends.out), /*every=*/1);
  ends.in.reset();
  for (int64_t update = 0; update < 100; ++update) replicator.AfterUpdate(update);
}

}  // namespace
}  // namespace paci
