// What probes are told of real daemons.

#include <gtest/gtest.h>
#include <signal.h>

#include <string>

#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

// Where a worker that logs JSON says that it answers; empty: not yet.
std::string HealthAddress(const Process& worker) {
  for (const absl::string_view line : absl::StrSplit(worker.err(), '\n')) {
    const auto entry = nlohmann::json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("health")) return entry["health"];
  }
  return "";
}

TEST(Health, OfAWorkerFollowsTheCoordinator) {
  LocalCluster cluster;
  cluster.KillCoordinator();
  Process worker("paci-worker", {"--coordinator", cluster.rpc_address(), "--name", "w", "--health",
                                 "127.0.0.1:0", "--log-level", "info", "--log-format", "json"});
  Poll("it is up", [&] { return !HealthAddress(worker).empty() || !worker.IsRunning(); });
  const std::string address = HealthAddress(worker);
  const auto code = [&](const std::string& service) {
    return RunBinary({"health", "--server", address, "--service", service}).code;
  };
  EXPECT_EQ(code(""), 0);
  EXPECT_EQ(code("paci.v1.WorkerService"), 1) << "there is no coordinator";

  cluster.StartCoordinator();
  Poll("it is registered", [&] { return code("paci.v1.WorkerService") == 0; });
  EXPECT_EQ(cluster.Pacictl({"health"}).out, "SERVING\n");

  cluster.KillCoordinator();
  Poll("it has noticed", [&] { return code("paci.v1.WorkerService") == 1; });
  EXPECT_EQ(code(""), 0);
  worker.Signal(SIGTERM);
  EXPECT_EQ(worker.Wait().code, 0);
}

}  // namespace
}  // namespace paci
