#include "tests/chaos/chaos.h"

#include <sys/types.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/outcome.h"

namespace paci {
namespace {

std::vector<std::string> Endless(std::vector<std::string> settings, uint64_t updates) {
  for (const char* setting : {"optimizer.lr_floor=1", "optimizer.warmup_updates=4",
                              "train.eval_every=0", "recovery.max_restarts=100000"}) {
    settings.push_back(setting);
  }
  settings.push_back(absl::StrCat("train.updates=", updates));
  return settings;
}

// After the daemons' end: no journal of a store, no file that was being written, and no
// checkpoint without its manifest.
void ExpectNoFileLeft(const std::string& folder) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    EXPECT_FALSE(absl::StartsWith(name, ".partial-")) << entry.path();
    for (const char* suffix : {"-wal", "-shm", "-journal"}) {
      EXPECT_FALSE(absl::EndsWith(name, suffix)) << entry.path();
    }
  }
}

size_t OpenSockets(pid_t pid) {
  size_t count = 0;
  std::error_code gone;
  const std::filesystem::directory_iterator entries(absl::StrCat("/proc/", pid, "/fd"), gone);
  for (const auto& entry : entries) {
    const std::string target = std::filesystem::read_symlink(entry.path(), gone);
    if (absl::StartsWith(target, "socket:")) ++count;
  }
  return count;
}

// A generation that is over leaves no connection behind.
void ExpectNoSocketLeft(LocalCluster& cluster) {
  const pid_t fresh = cluster.StartWorker("fresh").pid();
  cluster.AwaitWorker("fresh", v1::WORKER_STATE_IDLE);
  const size_t sockets = OpenSockets(fresh);
  for (const v1::Worker& worker : cluster.Workers()) {
    if (worker.state() == v1::WORKER_STATE_LOST) continue;  // killed
    cluster.AwaitWorker(worker.name(), v1::WORKER_STATE_IDLE);
    const pid_t pid = cluster.worker(worker.name()).pid();
    Poll(absl::StrCat("worker ", worker.name(), " has no more sockets than a new one, ", sockets),
         [&] { return OpenSockets(pid) <= sockets; });
  }
}

}  // namespace

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &value)) << name << ": " << text;
  return value;
}

ChaosTest::ChaosTest()
    : seed_(FromEnvironment("PACI_CHAOS_SEED", std::random_device()())), random_(seed_) {
  std::cout << "PACI_CHAOS_SEED=" << seed_ << std::endl;
}

void ChaosTest::AwaitSomeProgress(const LocalCluster& cluster, const std::string& id) {
  const uint64_t steps = 1 + Below(9);
  uint64_t generation = 0;
  uint64_t begun_at = 0;
  cluster.Await(id, [&](const v1::Job& job) {
    if (job.generation() != generation) {
      generation = job.generation();
      begun_at = job.progress().updates();
    }
    return job.state() == v1::JOB_STATE_RUNNING && job.progress().updates() >= begun_at + steps;
  });
}

std::string ChaosTest::SubmitEndless(const LocalCluster& cluster,
                                     std::vector<std::string> settings) {
  return cluster.SubmitCheckpointed(Endless(std::move(settings), 1'000'000'000));
}

void ChaosTest::ExpectUndisturbed(LocalCluster& cluster, const std::string& id,
                                  const std::vector<std::string>& settings) {
  const auto newest = [](const v1::Job& job) {
    return job.checkpoints().empty() ? 0 : job.checkpoints().rbegin()->update();
  };
  const uint64_t before = newest(cluster.Get(id));
  // One more, so that what the faults left behind has been used.
  cluster.Await(id, [&](const v1::Job& job) { return newest(job) > before; });
  const Outcome outcome = OutcomeUpToLastCheckpoint(cluster, id);
  ExpectNoSocketLeft(cluster);
  cluster.EndInOrder();
  ExpectNoFileLeft(cluster.folder().path());
  if (testing::Test::HasFailure()) return;
  const Outcome undisturbed = UndisturbedOutcome(Endless(settings, outcome.losses.size()));
  EXPECT_EQ(outcome.losses, undisturbed.losses);
  EXPECT_EQ(outcome.files, undisturbed.files);
}

std::vector<std::string> Reasons(const LocalCluster& cluster, const std::string& id,
                                 const std::string& type) {
  std::vector<std::string> reasons;
  const nlohmann::json events = cluster.PacictlJson({"events", id});
  for (const auto& event : events["events"]) {
    if (event["type"] == type) reasons.push_back(event["reason"]);
  }
  return reasons;
}

}  // namespace paci
