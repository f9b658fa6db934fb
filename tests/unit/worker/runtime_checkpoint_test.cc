// Checkpoints are written beside training. Every position is an action or a write, never a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/telemetry/log.h"
#include "tests/unit/worker/runtime_pipeline.h"

namespace paci {
namespace {

class RuntimeCheckpoint : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(InitLogging("error", "text").ok()); }

  // A checkpoint every 2 of 8 updates.
  static inline const RuntimeShape kShape = {
      .stages = 3, .accumulation = 2, .updates = 8, .checkpoint_every = 2};

  static std::vector<uint64_t> UpdatesOf(const v1::StageReport& report) {
    std::vector<uint64_t> updates;
    for (const v1::CheckpointPart& part : report.checkpoints()) updates.push_back(part.update());
    return updates;
  }
};

TEST_F(RuntimeCheckpoint, TrainingGoesOnWhileOneIsWritten) {
  absl::Notification next_update_is_done;
  RuntimePipeline pipeline(
      kShape, Wire::kInproc, 1, absl::Microseconds(50),
      [&](int stage, Action action) {
        if (stage == 1 && action == Action{ActionKind::kStep, 3}) next_update_is_done.Notify();
        return absl::OkStatus();
      },
      [&](int stage, int64_t update) {
        if (stage == 1 && update == 2) next_update_is_done.WaitForNotification();
        return absl::OkStatus();
      });
  for (const v1::StageReport& report : pipeline.Run()) {
    EXPECT_EQ(report.status().state(), v1::STAGE_STATE_FINISHED) << report.status().error();
    EXPECT_EQ(UpdatesOf(report), (std::vector<uint64_t>{2, 4, 6, 8}));
  }
}

TEST_F(RuntimeCheckpoint, TheNextCopyWaitsForTheWriteAndTheEndForTheLast) {
  std::atomic<int> writes{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> written{0};
  std::atomic<int> steps{0};
  RuntimePipeline pipeline(
      kShape, Wire::kInproc, 1, absl::ZeroDuration(),
      [&](int stage, Action action) {
        if (stage != 1) return absl::OkStatus();
        if (action.kind == ActionKind::kStep) ++steps;
        if (action.kind == ActionKind::kCheckpoint && writes > 0) ++overlaps;
        return absl::OkStatus();
      },
      [&](int stage, int64_t update) {
        if (stage != 1) return absl::OkStatus();
        ++writes;
        // Until the stage is at the next checkpoint, and a while longer.
        while (steps < std::min<int64_t>(update + 2, kShape.updates)) std::this_thread::yield();
        for (int i = 0; i < 2000; ++i) std::this_thread::yield();
        --writes;
        ++written;
        return absl::OkStatus();
      });
  const std::vector<v1::StageReport> reports = pipeline.Run();
  EXPECT_EQ(written, 4);
  EXPECT_EQ(overlaps, 0);
  EXPECT_EQ(UpdatesOf(reports[1]), (std::vector<uint64_t>{2, 4, 6, 8}));
}

TEST_F(RuntimeCheckpoint, AWriteThatFailsIsReportedAndTrainingGoesOn) {
  RuntimePipeline pipeline(kShape, Wire::kInproc, 1, absl::ZeroDuration(), nullptr,
                           [](int stage, int64_t update) -> absl::Status {
                             if (stage != 2 || update != 4) return absl::OkStatus();
                             return absl::ResourceExhaustedError("cannot write x: it is full");
                           });
  const std::vector<v1::StageReport> reports = pipeline.Run();
  for (size_t i = 0; i < reports.size(); ++i) {
    EXPECT_EQ(reports[i].status().state(), v1::STAGE_STATE_FINISHED);
    EXPECT_EQ(UpdatesOf(reports[i]), (std::vector<uint64_t>{2, 4, 6, 8}));
    for (const v1::CheckpointPart& part : reports[i].checkpoints()) {
      EXPECT_EQ(part.error(), i == 2 && part.update() == 4
                                  ? "RESOURCE_EXHAUSTED: cannot write x: it is full"
                                  : "");
    }
  }
}

TEST_F(RuntimeCheckpoint, OnlyTheLastStageSaysALossAndOnlyOfTheUpdateThatWasValidated) {
  RuntimeShape shape = kShape;
  shape.eval_every = 3;
  RuntimePipeline pipeline(shape, Wire::kInproc, 1, absl::ZeroDuration());
  const std::vector<v1::StageReport> reports = pipeline.Run();
  for (size_t i = 0; i < reports.size(); ++i) {
    ASSERT_EQ(UpdatesOf(reports[i]), (std::vector<uint64_t>{2, 4, 6, 8}));
    for (const v1::CheckpointPart& part : reports[i].checkpoints()) {
      const bool is_validated = part.update() == 6 || part.update() == 8;
      EXPECT_EQ(part.has_validation_loss(), i == 2 && is_validated) << i << " " << part.update();
    }
  }
}

TEST_F(RuntimeCheckpoint, AStoppedStageEndsItsWriteAndReportsIt) {
  absl::Notification is_writing, is_stopped;
  std::atomic<bool> is_written{false};
  RuntimePipeline pipeline(kShape, Wire::kInproc, 1, absl::ZeroDuration(), nullptr,
                           [&](int stage, int64_t update) {
                             if (stage != 0 || update != 2) return absl::OkStatus();
                             is_writing.Notify();
                             is_stopped.WaitForNotification();
                             // A run that did not wait would be over by then.
                             for (int i = 0; i < 2000; ++i) std::this_thread::yield();
                             is_written = true;
                             return absl::OkStatus();
                           });
  pipeline.sessions().Start();
  is_writing.WaitForNotification();
  pipeline.sessions().stage(0).Stop(absl::CancelledError("the job was cancelled"));
  is_stopped.Notify();
  const std::vector<v1::StageReport> reports = pipeline.sessions().AwaitEnd();
  EXPECT_TRUE(is_written);
  EXPECT_EQ(reports[0].status().state(), v1::STAGE_STATE_STOPPED);
  // It may have been at the next one already when it was stopped.
  ASSERT_FALSE(UpdatesOf(reports[0]).empty());
  EXPECT_EQ(UpdatesOf(reports[0]).front(), 2);
}

}  // namespace
}  // namespace paci
