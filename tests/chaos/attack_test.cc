// A stranger who reaches every port of a cluster while a job trains: crowds, callers who never
// finish a sentence, what was heard on the way said again, and one who has fallen into the
// possession of a worker's certificate. Everybody else is served, no process grows, and the job's
// bits are those of a run to which nothing happened. What it costs in speed: bench/attack.py.

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/address.h"
#include "common/rpc/deadline.h"
#include "common/security/tls.h"
#include "common/security/user_tokens.h"
#include "common/telemetry/process_memory.h"
#include "paci/v1/worker.grpc.pb.h"
#include "tests/chaos/chaos.h"
#include "tests/chaos/crowd.h"
#include "tests/chaos/wiretap.h"
#include "tests/unit/transport/raw_peer.h"

namespace paci {
namespace {

constexpr size_t kCrowd = 10'000;
// Of the resident memory of a process, while a crowd is at its door.
constexpr uint64_t kMostGrowthBytes = 256 << 20;
// More than a daemon holds otherwise, and the connections that it may have of one address.
constexpr size_t kMostDescriptors = 1024 + 512;

uint64_t ResidentBytes(pid_t pid) {
  const auto memory = ParseProcessMemory(ReadFile(absl::StrCat("/proc/", pid, "/status")));
  EXPECT_TRUE(memory.ok()) << memory.status();
  return memory.ok() ? memory->resident_bytes : 0;
}

size_t CountDescriptors(pid_t pid) {
  return std::distance(std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/fd")), {});
}

class Attack : public ChaosTest {
 protected:
  Attack() {
    const std::string command = absl::StrCat("deploy/tls/make_certs.sh ", certificates_.path());
    EXPECT_EQ(std::system(command.c_str()), 0);
    // What the script's shells leave to be reaped becomes a child of this process.
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    certificates_.Write("tokens", TokenLine({"vera", Role::kView}, "vera's"));
  }
  void Start(const std::vector<std::string>& settings) {
    cluster_ = std::make_unique<LocalCluster>(
        ClusterOptions{.workers = kStages + 1, .certificates = certificates_.path()});
    id_ = SubmitEndless(*cluster_, settings);
    AwaitSomeProgress(*cluster_, id_);
  }
  LocalCluster& cluster() { return *cluster_; }
  const std::string& id() const { return id_; }
  std::string WorkerOf(int stage) { return cluster().Get(id_).stages(stage).worker_name(); }
  v1::Worker InfoOf(const std::string& name) {
    for (const v1::Worker& worker : cluster().Workers()) {
      if (worker.name() == name) return worker;
    }
    ADD_FAILURE() << name;
    return {};
  }

  // The process behind a crowded door stays small, and the job trains.
  void ExpectBounded(const Process& process, uint64_t resident_before) {
    EXPECT_LT(ResidentBytes(process.pid()), resident_before + kMostGrowthBytes);
    EXPECT_LT(CountDescriptors(process.pid()), kMostDescriptors);
    AwaitSomeProgress(cluster(), id_);
  }
  void ExpectUsersAndNewWorkersAreServed(const std::string& newcomer) {
    EXPECT_EQ(cluster().Pacictl({"list"}).code, 0);
    cluster().StartWorker(newcomer);
    cluster().AwaitWorker(newcomer, v1::WORKER_STATE_IDLE);
  }
  // A stage's worker dies; its neighbours and its successor find each other.
  void ExpectRecovery(int stage) {
    const v1::Job before = cluster().Get(id_);
    cluster().KillWorker(before.stages(stage).worker_name());
    cluster().Await(id_, [&](const v1::Job& job) {
      return job.generation() > before.generation() && job.state() == v1::JOB_STATE_RUNNING;
    });
    AwaitSomeProgress(cluster(), id_);
  }

  const TestFolder certificates_;

 private:
  std::unique_ptr<LocalCluster> cluster_;
  std::string id_;
};

TEST_F(Attack, TenThousandConnectionsToTheCoordinator) {
  Start({"pipeline.data_tls=true"});
  for (const std::string& door : {cluster().rpc_address(), cluster().metrics_address()}) {
    SCOPED_TRACE(door);
    const uint64_t before = ResidentBytes(cluster().coordinator().pid());
    const Crowd crowd(door, kCrowd);
    std::cout << crowd.size() << " connections to " << door << ", " << crowd.CountOpen()
              << " are still open; the coordinator has grown by "
              << static_cast<int64_t>(ResidentBytes(cluster().coordinator().pid()) - before)
              << " bytes" << std::endl;
    EXPECT_GE(crowd.size(), 500) << "no crowd: ulimit -n";
    ExpectBounded(cluster().coordinator(), before);
    ExpectUsersAndNewWorkersAreServed(absl::StrCat("new", door.substr(door.rfind(':') + 1)));
  }
  EXPECT_EQ(cluster().Get(id()).generation(), 1);
  ExpectUndisturbed(cluster(), id());
}

TEST_F(Attack, TenThousandConnectionsToAWorker) {
  Start({"pipeline.data_tls=true"});
  const std::string victim = WorkerOf(1);
  const v1::WorkerInfo info = InfoOf(victim).info();
  const uint64_t before = ResidentBytes(cluster().worker(victim).pid());
  const Crowd at_data(info.data_address(), kCrowd);
  std::cout << at_data.size() << " connections to the data port, " << at_data.CountOpen()
            << " are still open; the worker has grown by "
            << static_cast<int64_t>(ResidentBytes(cluster().worker(victim).pid()) - before)
            << " bytes" << std::endl;
  ExpectBounded(cluster().worker(victim), before);
  const Crowd at_metrics(info.metrics_address(), kCrowd / 10);
  ExpectBounded(cluster().worker(victim), before);
  EXPECT_EQ(cluster().Get(id()).generation(), 1);
  // Both are there still, and the stage's links are made anew through them.
  ExpectRecovery(0);
  EXPECT_EQ(cluster().Get(id()).generation(), 2);
  ExpectUndisturbed(cluster(), id());
}

// They begin as one should, and say a byte now and then: a client's first words of TLS, a
// dialler's.
TEST_F(Attack, ThoseWhoNeverFinishASentenceKeepNobodyOut) {
  Start({});
  constexpr absl::string_view kHello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  constexpr absl::string_view kIntroduction("PACI\x00\x01", 6);
  Crowd at_coordinator(cluster().rpc_address(), 2000);
  std::vector<std::unique_ptr<Crowd>> at_workers;
  for (int i = 0; i <= kStages; ++i) {
    const std::string door = InfoOf(absl::StrCat("w", i)).info().data_address();
    at_workers.push_back(std::make_unique<Crowd>(door, 1000));
  }
  const auto drip = [&] {
    at_coordinator.SayOneByteEach(kHello);
    for (const auto& crowd : at_workers) crowd->SayOneByteEach(kIntroduction);
  };
  EXPECT_GT(at_coordinator.CountOpen(), 0);
  drip();
  ExpectUsersAndNewWorkersAreServed("newcomer");
  drip();
  ExpectRecovery(1);
  // However slow they are, they are shown out.
  Poll("nobody is left", [&] {
    drip();
    size_t open = at_coordinator.CountOpen();
    for (const auto& crowd : at_workers) open += crowd->CountOpen();
    return open == 0;
  });
  ExpectUndisturbed(cluster(), id());
}

TEST_F(Attack, WhatWasHeardOnTheWayIsOfNoUse) {
  absl::StatusOr<std::unique_ptr<Wiretap>> wiretap = Wiretap::Create();
  if (!wiretap.ok()) GTEST_SKIP() << wiretap.status();
  Start({});
  const std::string victim = WorkerOf(1);
  const std::string door = InfoOf(victim).info().data_address();
  std::vector<std::string> dialled;  // what neighbours said, from the handshake on
  for (const std::string& said : (*wiretap)->SaidTo(ParseHostPort(door)->port)) {
    if (said.size() > kIntroductionBytes) dialled.push_back(said);
  }
  ASSERT_EQ(dialled.size(), 2) << "activations of stage 0 and gradients of stage 2";
  const auto expect_refused = [&] {
    for (const std::string& said : dialled) {
      RawPeer peer = RawPeer::Dial(door);
      peer.ReadGreeting();
      peer.Send(said);
      const std::vector<std::byte> answer = peer.Read(kVerdictBytes);
      ASSERT_EQ(answer.size(), kVerdictBytes);
      EXPECT_NE(answer[4], static_cast<std::byte>(VerdictCode::kWelcome));
      EXPECT_EQ(peer.ReadUntilClosed().size(), 0);
    }
  };
  expect_refused();
  // A guess, of every link that there could be.
  for (uint32_t from = 0; from < kStages; ++from) {
    RawPeer peer = RawPeer::Dial(door);
    EXPECT_NE(peer.Introduce({id(), 1, from, 1, 0}, "another job's secret").code,
              VerdictCode::kWelcome);
  }
  AwaitSomeProgress(cluster(), id());
  EXPECT_EQ(cluster().Get(id()).generation(), 1);
  // The next generation has other secrets and another number.
  ExpectRecovery(0);
  expect_refused();
  EXPECT_EQ(cluster().Get(id()).generation(), 2);
  ExpectUndisturbed(cluster(), id());
}

TEST_F(Attack, AWorkersCertificateIsNoReasonToBelieveEverything) {
  Start({});
  SecurityOptions security;
  security.tls = {certificates_.path() + "/ca.pem", certificates_.path() + "/worker.pem",
                  certificates_.path() + "/worker.key"};
  const auto stub = v1::WorkerService::NewStub(grpc::CreateChannel(
      cluster().rpc_address(), *MakeChannelCredentials(security, cluster().rpc_address(), "")));
  const auto say = [&](const v1::WorkerMessage& message) {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Minutes(1)));
    const auto stream = stub->Connect(&context);
    stream->Write(message);
    v1::CoordinatorMessage answer;
    while (stream->Read(&answer)) EXPECT_FALSE(answer.has_command()) << answer.ShortDebugString();
    return stream->Finish().error_code();
  };
  v1::WorkerMessage too_long;
  too_long.mutable_hello()->set_worker_id(std::string(5 << 20, 'x'));
  EXPECT_EQ(say(too_long), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // A report for a stage that is another's, from one who has not said hello.
  v1::WorkerMessage report;
  report.mutable_report()->mutable_key()->set_job_id(id());
  report.mutable_report()->mutable_key()->set_generation(1);
  report.mutable_report()->mutable_status()->set_state(v1::STAGE_STATE_FAILED);
  EXPECT_NE(say(report), grpc::StatusCode::OK);
  AwaitSomeProgress(cluster(), id());
  EXPECT_EQ(cluster().Get(id()).generation(), 1);
  ExpectUndisturbed(cluster(), id());
}

}  // namespace
}  // namespace paci
