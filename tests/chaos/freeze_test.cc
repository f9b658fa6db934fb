// Processes that stand still (SIGSTOP) and go on: for less than the lease nothing happens, for more
// a worker is replaced, and what it does when it is back changes nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/timestamp.h"
#include "tests/chaos/chaos.h"
#include "tests/integration/sockets.h"

namespace paci {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class Freeze : public ChaosTest {
 protected:
  // Until the coordinator has heard nothing from the worker for so long.
  static void AwaitSilence(const LocalCluster& cluster, const std::string& name,
                           absl::Duration silence) {
    Poll(absl::StrCat("worker ", name, " has been silent for ", absl::FormatDuration(silence)),
         [&] {
           for (const v1::Worker& worker : cluster.Workers()) {
             if (worker.name() != name) continue;
             return absl::Now() - FromTimestamp(worker.last_seen()) > silence;
           }
           return false;
         });
  }

  // Updates that the job's last stage has done, as its worker says, without the coordinator.
  static double UpdatesOfLastStage(const std::string& metrics_address, const std::string& id) {
    const std::string series = absl::StrCat("paci_updates_total{job=\"", id, "\",stage=\"2\"}");
    return Sample(HttpGet(metrics_address, "/metrics"), series);
  }
};

TEST_F(Freeze, AWorkerForLessThanTheLeaseIsWaitedFor) {
  LocalCluster cluster({.workers = kStages + 1});
  const std::string id = SubmitEndless(cluster);
  for (const std::string name : {"w0", "w1", "w2"}) {
    SCOPED_TRACE(name);
    AwaitSomeProgress(cluster, id);
    cluster.worker(name).Signal(SIGSTOP);
    AwaitSilence(cluster, name, absl::Seconds(1));
    const v1::Job frozen = cluster.Get(id);
    cluster.worker(name).Signal(SIGCONT);
    cluster.AwaitUpdates(id, frozen.progress().updates() + 20);
  }
  const v1::Job job = cluster.Get(id);
  EXPECT_EQ(job.generation(), 1);
  EXPECT_THAT(cluster.EventTypes(id), Not(Contains("StageLost")));
  ExpectUndisturbed(cluster, id);
}

TEST_F(Freeze, AWorkerForLongerThanTheLeaseIsReplacedAndComesBackAsAStandby) {
  LocalCluster cluster({.workers = kStages + 1, .lease_seconds = 3});
  const std::string id = SubmitEndless(cluster);
  for (int stage = 0; stage < kStages; ++stage) {
    SCOPED_TRACE(absl::StrCat("stage ", stage));
    AwaitSomeProgress(cluster, id);
    const v1::Job before = cluster.Get(id);
    const std::string victim = before.stages(stage).worker_name();
    cluster.worker(victim).Signal(SIGSTOP);
    const v1::Job replaced = cluster.Await(id, [&](const v1::Job& job) {
      return job.generation() > before.generation() && job.state() == v1::JOB_STATE_RUNNING;
    });
    EXPECT_NE(replaced.stages(stage).worker_name(), victim);
    EXPECT_THAT(Reasons(cluster, id, "StageLost"),
                Contains(HasSubstr(absl::StrCat("worker ", victim, ": it said nothing for "))));
    if (HasFailure()) return;
    cluster.worker(victim).Signal(SIGCONT);
    cluster.AwaitWorker(victim, v1::WORKER_STATE_IDLE);
    EXPECT_EQ(cluster.Get(id).generation(), replaced.generation()) << "it changed something";
  }
  ExpectUndisturbed(cluster, id);
}

TEST_F(Freeze, WithoutAStandbyTheJobGoesOnOverTheWorkerThatIsBack) {
  LocalCluster cluster({.workers = kStages, .lease_seconds = 3});
  const std::string id = SubmitEndless(cluster);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  const std::string victim = cluster.Get(id).stages(static_cast<int>(Below(kStages))).worker_name();
  cluster.worker(victim).Signal(SIGSTOP);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  cluster.worker(victim).Signal(SIGCONT);
  const v1::Job back = cluster.Await(id, [](const v1::Job& job) {
    return job.generation() == 2 && job.state() == v1::JOB_STATE_RUNNING;
  });
  EXPECT_EQ(cluster.Workers().size(), kStages) << "the same processes";
  EXPECT_EQ(back.restarts_size(), 1);
  ExpectUndisturbed(cluster, id);
}

// All at once is what a suspended machine looks like from outside of it.
TEST_F(Freeze, AllWorkersForLongerThanTheLease) {
  LocalCluster cluster({.workers = kStages, .lease_seconds = 3});
  const std::string id = SubmitEndless(cluster);
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  for (const std::string name : {"w0", "w1", "w2"}) cluster.worker(name).Signal(SIGSTOP);
  cluster.AwaitState(id, v1::JOB_STATE_RECOVERING);
  for (const std::string name : {"w0", "w1", "w2"}) {
    cluster.AwaitWorker(name, v1::WORKER_STATE_LOST);
    cluster.worker(name).Signal(SIGCONT);
  }
  AwaitSomeProgress(cluster, id);
  ExpectUndisturbed(cluster, id);
}

// Silence that the coordinator did not listen to is no worker's.
TEST_F(Freeze, TheCoordinatorForLongerThanTheLeaseAndTrainingGoesOn) {
  constexpr double kLeaseSeconds = 2;
  LocalCluster cluster({.workers = kStages, .lease_seconds = kLeaseSeconds});
  const std::string id = SubmitEndless(cluster);
  for (const double leases : {0.5, 2.0}) {
    SCOPED_TRACE(absl::StrCat(leases, " leases"));
    AwaitSomeProgress(cluster, id);
    const std::string last = cluster.Get(id).stages(kStages - 1).worker_name();
    const std::string metrics =
        cluster.AwaitWorker(last, v1::WORKER_STATE_BUSY).info().metrics_address();
    cluster.coordinator().Signal(SIGSTOP);
    const absl::Time end = absl::Now() + leases * absl::Seconds(kLeaseSeconds);
    const double at_stop = UpdatesOfLastStage(metrics, id);
    Poll("updates without a coordinator, for as long as it stands still",
         [&] { return absl::Now() >= end && UpdatesOfLastStage(metrics, id) >= at_stop + 10; });
    cluster.coordinator().Signal(SIGCONT);
    cluster.AwaitUpdates(id, static_cast<uint64_t>(at_stop) + 10);
  }
  EXPECT_EQ(cluster.Get(id).generation(), 1);
  EXPECT_THAT(cluster.EventTypes(id), Not(Contains("StageLost")));
  ExpectUndisturbed(cluster, id);
}

}  // namespace
}  // namespace paci
