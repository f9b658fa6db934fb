// Workers on machines of their own, whose network fails: a cable is pulled, one direction is lost,
// the control plane or the data plane alone. Whatever the coordinator makes of it, the job's bits
// are those of a run to which nothing happened.

#include "tests/chaos/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/timestamp.h"
#include "tests/chaos/chaos.h"

namespace paci {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class NetworkFault : public ChaosTest {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Network>> network = Network::Create();
    if (!network.ok()) GTEST_SKIP() << network.status();
    network_ = *std::move(network);
  }

  ClusterOptions Options(int workers) {
    return {.workers = workers, .lease_seconds = 3, .place = [this](const std::string& name) {
              return network_->PlaceOf(name);
            }};
  }
  Network& network() { return *network_; }
  // Both directions, silently.
  void Part(const std::string& one, const std::string& other) {
    network_->Mute(one, other);
    network_->Mute(other, one);
  }
  void Join(const std::string& one, const std::string& other) {
    network_->Unmute(one, other);
    network_->Unmute(other, one);
  }

  static v1::Job AwaitNewGeneration(const LocalCluster& cluster, const v1::Job& before) {
    return cluster.Await(before.id(), [&](const v1::Job& job) {
      return job.generation() > before.generation() && job.state() == v1::JOB_STATE_RUNNING;
    });
  }
  // A stage's worker is out of reach for longer than its lease; `heal` ends that. It is replaced,
  // and when it is back it is free and has changed nothing.
  template <typename Harm, typename Heal>
  void ExpectReplacedAndFreeAgain(LocalCluster& cluster, const std::string& id, int stage,
                                  Harm harm, Heal heal) {
    SCOPED_TRACE(absl::StrCat("stage ", stage));
    AwaitSomeProgress(cluster, id);
    const v1::Job before = cluster.Get(id);
    const std::string victim = before.stages(stage).worker_name();
    harm(victim);
    const v1::Job replaced = AwaitNewGeneration(cluster, before);
    if (HasFailure()) return;
    EXPECT_NE(replaced.stages(stage).worker_name(), victim);
    EXPECT_THAT(Reasons(cluster, id, "StageLost"), Contains(HasSubstr("worker " + victim)));
    heal(victim);
    cluster.AwaitWorker(victim, v1::WORKER_STATE_IDLE);
    const v1::Job after = cluster.Get(id);
    EXPECT_EQ(after.generation(), replaced.generation()) << "it changed something";
    cluster.AwaitUpdates(id, after.progress().updates() + 20);
  }

 private:
  std::unique_ptr<Network> network_;
};

TEST_F(NetworkFault, APulledCableIsAReplacedWorkerAndAFreeOneWhenItIsBack) {
  LocalCluster cluster(Options(kStages + 1));
  const std::string id = SubmitEndless(cluster);
  for (int stage = 0; stage < kStages && !HasFailure(); ++stage) {
    ExpectReplacedAndFreeAgain(
        cluster, id, stage, [&](const std::string& victim) { network().Unplug(victim); },
        [&](const std::string& victim) { network().Plug(victim); });
  }
  ExpectUndisturbed(cluster, id);
}

TEST_F(NetworkFault, AControlPlaneThatIsLostWhileTheDataPlaneWorks) {
  LocalCluster cluster(Options(kStages + 1));
  const std::string id = SubmitEndless(cluster);
  ExpectReplacedAndFreeAgain(
      cluster, id, static_cast<int>(Below(kStages)),
      [&](const std::string& victim) { Part(victim, "coordinator"); },
      [&](const std::string& victim) { Join(victim, "coordinator"); });
  ExpectUndisturbed(cluster, id);
}

TEST_F(NetworkFault, AWorkerThatHearsTheCoordinatorAndIsNotHeard) {
  LocalCluster cluster(Options(kStages + 1));
  const std::string id = SubmitEndless(cluster);
  ExpectReplacedAndFreeAgain(
      cluster, id, static_cast<int>(Below(kStages)),
      [&](const std::string& victim) { network().Mute(victim, "coordinator"); },
      [&](const std::string& victim) { network().Unmute(victim, "coordinator"); });
  ExpectUndisturbed(cluster, id);
}

TEST_F(NetworkFault, AWorkerThatIsHeardAndDoesNotHearTheCoordinator) {
  LocalCluster cluster(Options(kStages + 1));
  const std::string id = SubmitEndless(cluster);
  ExpectReplacedAndFreeAgain(
      cluster, id, static_cast<int>(Below(kStages)),
      [&](const std::string& victim) { network().Mute("coordinator", victim); },
      [&](const std::string& victim) { network().Unmute("coordinator", victim); });
  ExpectUndisturbed(cluster, id);
}

// No worker is to blame, and none is lost: the job goes on when the neighbours meet again.
TEST_F(NetworkFault, ADataPlaneThatIsLostWhileTheControlPlaneWorks) {
  LocalCluster cluster(Options(kStages));
  const std::string id = SubmitEndless(cluster);
  AwaitSomeProgress(cluster, id);
  const v1::Job before = cluster.Get(id);
  const int upstream = static_cast<int>(Below(kStages - 1));
  const std::string one = before.stages(upstream).worker_name();
  const std::string other = before.stages(upstream + 1).worker_name();
  Part(one, other);
  cluster.Await(id, [](const v1::Job& job) { return job.restarts_size() > 0; });
  Join(one, other);
  AwaitSomeProgress(cluster, id);
  const v1::Job after = cluster.Get(id);
  EXPECT_GT(after.generation(), before.generation());
  EXPECT_THAT(cluster.EventTypes(id), Not(Contains("StageLost")));
  ExpectUndisturbed(cluster, id);
}

// Shorter than the lease: TCP sends again what was lost, and nobody notices.
TEST_F(NetworkFault, ACableThatIsPulledForLessThanTheLeaseAgainAndAgain) {
  ClusterOptions options = Options(kStages);
  options.lease_seconds = 30;
  LocalCluster cluster(options);
  const std::string id = SubmitEndless(cluster);
  for (int stage = 0; stage < kStages; ++stage) {
    AwaitSomeProgress(cluster, id);
    const std::string victim = cluster.Get(id).stages(stage).worker_name();
    network().Unplug(victim);
    Poll("the coordinator hears nothing from it any more", [&] {
      for (const v1::Worker& worker : cluster.Workers()) {
        if (worker.name() != victim) continue;
        return absl::Now() - FromTimestamp(worker.last_seen()) > absl::Milliseconds(500);
      }
      return false;
    });
    const v1::Job cut = cluster.Get(id);
    network().Plug(victim);
    cluster.AwaitUpdates(id, cut.progress().updates() + 20);
  }
  EXPECT_EQ(cluster.Get(id).generation(), 1);
  EXPECT_THAT(cluster.EventTypes(id), Not(Contains("StageLost")));
  ExpectUndisturbed(cluster, id);
}

TEST_F(NetworkFault, FramesThatAreLateAndLost) {
  ClusterOptions options = Options(kStages);
  options.lease_seconds = 30;
  LocalCluster cluster(options);
  const std::string id = SubmitEndless(cluster);
  for (const std::string name : {"w0", "w1", "w2"}) {
    const absl::Status done = network().Impair(name, {"delay", "5ms", "2ms", "loss", "1%"});
    if (absl::IsUnimplemented(done)) GTEST_SKIP() << done.message();
    ASSERT_TRUE(done.ok()) << done;
  }
  cluster.AwaitUpdates(id, cluster.Get(id).progress().updates() + 50);
  EXPECT_EQ(cluster.Get(id).generation(), 1);
  ExpectUndisturbed(cluster, id);
}

}  // namespace
}  // namespace paci
