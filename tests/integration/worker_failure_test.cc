// A worker that dies or stands still ends a job that is not to restart, with the cause named, and
// nothing else.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::HasSubstr;

TEST(WorkerFailure, AKilledOneFailsItsJobByNameAndTheOthersServeTheNext) {
  LocalCluster cluster({.workers = 3, .lease_seconds = 3});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const std::string id = cluster.Submit(job_file, {"recovery.max_restarts=0"});
  cluster.AwaitUpdates(id, 2);
  cluster.worker("w1").Signal(SIGKILL);
  const v1::Job failed = cluster.AwaitState(id, v1::JOB_STATE_FAILED);
  EXPECT_THAT(failed.reason(), HasSubstr("stage 1 on worker w1 was lost"));
  EXPECT_EQ(failed.stages(1).state(), v1::STAGE_STATE_LOST);
  cluster.AwaitWorker("w0", v1::WORKER_STATE_IDLE);
  const std::string next = cluster.Submit(job_file, {"train.updates=3"});
  EXPECT_EQ(cluster.AwaitCompletion(next).size(), 3);
  EXPECT_EQ(cluster.Get(next).stages(1).worker_name(), "w2");
}

TEST(WorkerFailure, AStoppedOneFailsItsJobWhenItsLeaseRunsOutAndServesTheNextWhenItIsBack) {
  LocalCluster cluster({.workers = 2, .lease_seconds = 3});
  const std::string job_file = WriteEmulatedJob(cluster.folder());
  const std::string id = cluster.Submit(job_file, {"recovery.max_restarts=0"});
  cluster.AwaitUpdates(id, 2);
  cluster.worker("w0").Signal(SIGSTOP);
  EXPECT_THAT(cluster.AwaitState(id, v1::JOB_STATE_FAILED).reason(),
              HasSubstr("stage 0 on worker w0 was lost: it said nothing for "));
  cluster.AwaitWorker("w0", v1::WORKER_STATE_LOST);
  cluster.worker("w0").Signal(SIGCONT);
  cluster.AwaitWorker("w0", v1::WORKER_STATE_IDLE);
  const std::string next = cluster.Submit(job_file, {"train.updates=3"});
  EXPECT_EQ(cluster.AwaitCompletion(next).size(), 3);
  EXPECT_TRUE(cluster.worker("w0").IsRunning()) << "the same process";
}

}  // namespace
}  // namespace paci
