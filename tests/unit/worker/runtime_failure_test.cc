// How a running pipeline ends early, is stopped and is held. Faults and holds are addressed by
// stage and action, never by time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "common/telemetry/log.h"
#include "tests/unit/worker/runtime_pipeline.h"
#include "worker/stage/emulated_compute.h"

namespace paci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class RuntimeFailure : public ::testing::TestWithParam<Wire> {
 protected:
  void SetUp() override { ASSERT_TRUE(InitLogging("error", "text").ok()); }

  // Every other stage has failed, each because of the link to a neighbour.
  void ExpectOthersLostANeighbour(const std::vector<v1::StageReport>& reports, int culprit) {
    for (int i = 0; i < static_cast<int>(reports.size()); ++i) {
      if (i == culprit) continue;
      const v1::StageStatus& status = reports[i].status();
      const int towards = i < culprit ? i + 1 : i - 1;
      EXPECT_EQ(status.state(), v1::STAGE_STATE_FAILED) << i;
      EXPECT_THAT(status.error(), AllOf(HasSubstr("UNAVAILABLE: lost the peer"),
                                        HasSubstr("job test-1, generation 1, stage ")));
      EXPECT_THAT(status.error(),
                  ::testing::AnyOf(HasSubstr(absl::StrCat("stage ", i, " -> ", towards)),
                                   HasSubstr(absl::StrCat("stage ", towards, " -> ", i))));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Wires, RuntimeFailure, ::testing::Values(Wire::kInproc, Wire::kTcp),
                         [](const auto& info) {
                           return std::string(info.param == Wire::kTcp ? "Tcp" : "Inproc");
                         });

TEST_P(RuntimeFailure, AStageThatFailsEndsAllOthersNamingTheLink) {
  struct Fault {
    int stage;
    Action action;
  };
  for (const Fault fault :
       {Fault{0, {ActionKind::kForward, 5}}, Fault{1, {ActionKind::kBackward, 3}},
        Fault{2, {ActionKind::kStep, 1}}, Fault{3, {ActionKind::kForward, 0}},
        Fault{2, {ActionKind::kEvaluate, 1}}}) {
    std::atomic<int> fired{0};
    RuntimePipeline pipeline(
        {.stages = 4, .accumulation = 3, .updates = 8, .eval_every = 4, .eval_batches = 5},
        GetParam(), 1, absl::Microseconds(50), [&](int stage, Action action) {
          if (stage != fault.stage || !(action == fault.action)) {
            return absl::OkStatus();
          }
          ++fired;
          return absl::InternalError("the loss is not a number");
        });
    const std::vector<v1::StageReport> reports = pipeline.Run();
    EXPECT_EQ(fired, 1);
    const v1::StageStatus& failed = reports[fault.stage].status();
    EXPECT_EQ(failed.state(), v1::STAGE_STATE_FAILED);
    EXPECT_EQ(failed.error(), "INTERNAL: the loss is not a number");
    ExpectOthersLostANeighbour(reports, fault.stage);
  }
}

TEST_P(RuntimeFailure, AStoppedStageSaysWhyAndEndsAllOthers) {
  for (int victim = 0; victim < 3; ++victim) {
    absl::Notification is_there, may_go_on;
    RuntimePipeline pipeline({.stages = 3, .accumulation = 2, .updates = 20}, GetParam(), 1,
                             absl::Microseconds(50), [&](int stage, Action action) {
                               if (stage == victim && action == Action{ActionKind::kForward, 7}) {
                                 is_there.Notify();
                                 may_go_on.WaitForNotification();
                               }
                               return absl::OkStatus();
                             });
    pipeline.sessions().Start();
    is_there.WaitForNotification();
    pipeline.sessions().stage(victim).Stop(absl::CancelledError("the job was cancelled"));
    may_go_on.Notify();
    const std::vector<v1::StageReport> reports = pipeline.sessions().AwaitEnd();
    EXPECT_EQ(reports[victim].status().state(), v1::STAGE_STATE_STOPPED);
    EXPECT_EQ(reports[victim].status().error(), "CANCELLED: the job was cancelled");
    // The action at hand was finished, and it was the last.
    EXPECT_EQ(ToString(pipeline.Trace(victim).back()), "F7");
    ExpectOthersLostANeighbour(reports, victim);
  }
}

TEST_P(RuntimeFailure, AStageStoppedBeforeTheStartEndsThoseThatRun) {
  RuntimePipeline pipeline({.stages = 3}, GetParam(), 1, absl::ZeroDuration());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(pipeline.sessions().stage(i).AwaitPrepared().ok());
  pipeline.sessions().stage(1).Stop(absl::CancelledError("drained"));
  EXPECT_FALSE(pipeline.sessions().stage(1).Start().ok());
  pipeline.sessions().Start();
  const std::vector<v1::StageReport> reports = pipeline.sessions().AwaitEnd();
  EXPECT_EQ(reports[1].status().state(), v1::STAGE_STATE_STOPPED);
  EXPECT_TRUE(pipeline.Trace(1).empty());
  ExpectOthersLostANeighbour(reports, 1);
}

TEST_P(RuntimeFailure, AStageThatCannotBeBuiltSaysWhyAndTheOthersCanBeStopped) {
  const auto engine =
      MakeStageEngine([](const v1::PrepareStage& command,
                         const StateCopy*) -> absl::StatusOr<std::unique_ptr<StageCompute>> {
        const int stage = static_cast<int>(command.key().stage());
        if (stage == 1) return absl::ResourceExhaustedError("no memory for the layers");
        return MakeEmulatedCompute(command.spec(), stage);
      });
  const auto transports = MakeTransports(3, GetParam());
  SessionPipeline sessions(SpecOf({.stages = 3}), {1, 1, 1}, PointersTo(transports), engine.get());
  const absl::Status failed = sessions.stage(1).AwaitPrepared();
  EXPECT_EQ(failed, absl::ResourceExhaustedError("no memory for the layers"));
  for (const int i : {0, 2}) sessions.stage(i).Stop(absl::CancelledError("a neighbour failed"));
  const std::vector<v1::StageReport> reports = sessions.AwaitEnd();
  EXPECT_EQ(reports[1].status().state(), v1::STAGE_STATE_FAILED);
  for (const int i : {0, 2}) {
    EXPECT_EQ(reports[i].status().state(), v1::STAGE_STATE_STOPPED);
    EXPECT_EQ(reports[i].status().error(), "CANCELLED: a neighbour failed");
  }
}

TEST_P(RuntimeFailure, AHeldPipelineDrainsToTheSameUpdateAndGoesOnAfterIt) {
  constexpr int kStages = 4, kAccumulation = 3, kUpdates = 6;
  for (const v1::Order order : {v1::ORDER_DRAIN_FIRST, v1::ORDER_STRICT}) {
    absl::Notification is_there, may_go_on;
    RuntimePipeline pipeline(
        {.stages = kStages, .accumulation = kAccumulation, .updates = kUpdates, .order = order},
        GetParam(), 1, absl::Microseconds(50), [&](int stage, Action action) {
          if (stage == 0 && action == Action{ActionKind::kForward, 7}) {
            is_there.Notify();
            may_go_on.WaitForNotification();
          }
          return absl::OkStatus();
        });
    pipeline.sessions().Start();
    is_there.WaitForNotification();
    v1::HoldStage hold;
    hold.set_hold(true);
    // Eight micro-batches are begun: the third update takes the last of them.
    const absl::StatusOr<int64_t> at_update = pipeline.sessions().stage(0).Hold(hold);
    ASSERT_TRUE(at_update.ok());
    EXPECT_EQ(*at_update, 3);
    may_go_on.Notify();
    hold.set_at_update(*at_update);
    for (int i = 1; i < kStages; ++i) EXPECT_TRUE(pipeline.sessions().stage(i).Hold(hold).ok());
    for (int i = 0; i < kStages; ++i) {
      while (!pipeline.sessions().stage(i).MakeReport().held()) std::this_thread::yield();
      const v1::StageStatus status = pipeline.sessions().stage(i).Status();
      EXPECT_EQ(status.forwards(), 9);
      EXPECT_EQ(status.backwards(), 9);
      EXPECT_EQ(status.updates(), 3);
    }
    hold.set_hold(false);
    for (int i = 0; i < kStages; ++i) EXPECT_TRUE(pipeline.sessions().stage(i).Hold(hold).ok());
    for (const v1::StageReport& report : pipeline.sessions().AwaitEnd()) {
      EXPECT_EQ(report.status().state(), v1::STAGE_STATE_FINISHED) << report.status().error();
      EXPECT_EQ(report.status().backwards(), kAccumulation * kUpdates);
      EXPECT_EQ(report.status().updates(), kUpdates);
    }
  }
}

}  // namespace
}  // namespace paci
