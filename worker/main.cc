// paci-worker: parses its flags, listens for its neighbours, serves the coordinator until it is
// told to leave.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/daemon/daemon.h"
#include "common/rpc/address.h"
#include "common/rpc/health_server.h"
#include "common/rpc/version.h"
#include "common/telemetry/log.h"
#include "common/transport/tcp/tcp_transport.h"
#include "common/web/metrics_server.h"
#include "worker/agent/agent.h"
#include "worker/engine/torch_engine.h"
#include "worker/host.h"
#include "worker/metrics.h"

namespace paci {
namespace {

// The name that --health serves under while the coordinator has this worker among its own.
constexpr char kRegistered[] = "paci.v1.WorkerService";

struct Flags {
  std::string coordinator = "127.0.0.1:7070";
  std::string name = DefaultWorkerName();
  std::string data_listen = "127.0.0.1:0";
  std::string data_advertise;
  MetricsOptions metrics;
  std::string health;
  uint32_t threads = 0;
  std::string log_level = "warning";
  std::string log_format = "text";
  double drain_seconds = 30;
  SecurityOptions security;
  PathRoots roots;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", absl::StrCat("paci-worker ", kVersion));
  app.set_config("--config", "", "TOML or INI file with the same keys as the flags");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_option("--coordinator", flags.coordinator, "HOST:PORT of paci-coordinator")
      ->capture_default_str();
  app.add_option("--name", flags.name, "how the coordinator and its users call this worker")
      ->capture_default_str();
  app.add_option("--data-listen", flags.data_listen,
                 "HOST:PORT where neighbours connect; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--data-advertise", flags.data_advertise,
                 "host name or address that neighbours dial; default: the host of --data-listen");
  AddSecurityFlags(app, flags.security);
  app.add_option("--root", flags.roots,
                 "folder below which the files of jobs lie; again for another; none: anywhere")
      ->allow_extra_args(false);
  AddMetricsFlags(app, flags.metrics);
  app.add_option("--health", flags.health,
                 "HOST:PORT of the standard gRPC health service; empty: none");
  app.add_option("--threads", flags.threads,
                 "compute threads of a job that names none; 0: one a core")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")->capture_default_str();
  app.add_option(
         "--drain-seconds", flags.drain_seconds,
         "on SIGTERM, how long to go on with the stage at hand; a second signal ends it now")
      ->capture_default_str();
}

// SIGINT or SIGTERM: leave in order; patience over or a second one: leave now. SIGUSR1: the agent
// is done.
void AwaitSignals(Agent& agent, const sigset_t& signals, absl::Duration patience) {
  int signal = 0;
  sigwait(&signals, &signal);
  if (signal == SIGUSR1) return;
  const std::string reason = absl::StrCat("the worker was sent SIG", sigabbrev_np(signal));
  if (agent.Leave(reason, absl::ZeroDuration())) return;
  LogWarning("finishing the stage at hand before leaving; a second signal ends it now",
             {{"seconds", absl::ToInt64Seconds(patience)}});
  const timespec wait = absl::ToTimespec(patience);
  if (sigtimedwait(&signals, nullptr, &wait) != SIGUSR1) agent.Abort(reason);
}

// A stage allocates the same tensors again with every micro-batch: memory that is freed stays with
// the process, or a few percent of the time would go into faulting its pages in again.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

absl::Status CheckFlags(const Flags& flags) {
  constexpr size_t kMaxNameBytes = 128;
  if (flags.name.empty() || flags.name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("--name has ", flags.name.size(), " bytes; expected 1..", kMaxNameBytes));
  }
  if (!(flags.drain_seconds >= 0 && flags.drain_seconds <= 86400 * 365.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--drain-seconds is ", flags.drain_seconds, "; expected 0 to a year"));
  }
  const auto check = [](absl::string_view flag, const std::string& address) {
    const absl::Status parsed = ParseHostPort(address).status();
    return absl::Status(parsed.code(), absl::StrCat(flag, ": ", parsed.message()));
  };
  absl::Status status = CheckRoots(flags.roots);
  status.Update(check("--coordinator", flags.coordinator));
  status.Update(check("--data-listen", flags.data_listen));
  if (!flags.data_advertise.empty()) {
    status.Update(check("--data-advertise", absl::StrCat(flags.data_advertise, ":1")));
  }
  if (!flags.health.empty()) status.Update(check("--health", flags.health));
  return status;
}

// Null without an address.
absl::StatusOr<std::unique_ptr<HealthServer>> StartHealth(const std::string& address) {
  if (address.empty()) return nullptr;
  absl::StatusOr<std::unique_ptr<HealthServer>> health = HealthServer::Start(address);
  if (health.ok()) (*health)->SetServing(kRegistered, false);
  return health;
}

AgentOptions DescribeWorker(const Flags& flags, uint32_t threads) {
  AgentOptions options;
  options.coordinator = flags.coordinator;
  options.worker_id = RandomWorkerId();
  options.worker_name = flags.name;
  options.info = DescribeHost();
  options.info.set_threads(threads);
  options.info.set_matmul_flops(MeasureMatmulFlops(threads));
  return options;
}

absl::Status RunWorker(const Flags& flags, const sigset_t& signals) {
  if (absl::Status valid = CheckFlags(flags); !valid.ok()) return valid;
  if (absl::Status logging = InitLogging(flags.log_level, flags.log_format); !logging.ok()) {
    return logging;
  }
  const auto credentials = MakeChannelCredentials(flags.security, flags.coordinator, /*token=*/"");
  if (!credentials.ok()) return credentials.status();
  RaiseDescriptorLimit();
  TcpOptions tcp;
  tcp.listen = flags.data_listen;
  tcp.advertise_host = flags.data_advertise;
  auto transport = ListenTcp(tcp);
  if (!transport.ok()) return transport.status();
  std::unique_ptr<MetricsServer> metrics;
  if (!flags.metrics.listen.empty()) {
    auto started = MetricsServer::Start(flags.metrics);
    if (!started.ok()) return started.status();
    metrics = *std::move(started);
  }

  absl::StatusOr<std::unique_ptr<HealthServer>> health = StartHealth(flags.health);
  if (!health.ok()) return health.status();

  const uint32_t threads =
      flags.threads > 0 ? flags.threads : std::max(1u, std::thread::hardware_concurrency());
  const std::unique_ptr<Engine> engine = MakeTorchEngine(threads, flags.roots);
  AgentOptions options = DescribeWorker(flags, threads);
  options.credentials = *credentials;
  options.info.set_data_address((*transport)->address());
  options.info.set_metrics_address(metrics ? metrics->address() : "");
  if (*health != nullptr) {
    options.on_registration = [&health](bool is_registered) {
      (*health)->SetServing(kRegistered, is_registered);
    };
  }
  Agent agent(options, transport->get(), engine.get());
  const auto collector = std::make_shared<WorkerMetrics>(
      [&]() -> std::optional<std::pair<std::string, v1::StageStatus>> {
        std::optional<HeldStage> held = agent.Held();
        if (!held) return std::nullopt;
        return std::pair(held->key.job_id(), std::move(held->status));
      });
  if (metrics) metrics->Expose(collector);
  LogInfo("paci-worker is up", {{"name", flags.name},
                                {"data", (*transport)->address()},
                                {"health", *health == nullptr ? "" : (*health)->address()}});

  std::thread waiter([&] { AwaitSignals(agent, signals, absl::Seconds(flags.drain_seconds)); });
  pthread_setname_np(waiter.native_handle(), "paci-signals");
  agent.Run();
  pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();
  metrics.reset();
  return absl::OkStatus();
}

}  // namespace
}  // namespace paci

int main(int argc, char** argv) {
  paci::KeepFreedMemory();
  const sigset_t signals = paci::BlockSignals();
  CLI::App app("paci-worker holds one stage at a time of the pipelines that a coordinator runs.");
  paci::Flags flags;
  paci::AddFlags(app, flags);
  return paci::RunDaemon("paci-worker", app, argc, argv,
                         [&] { return paci::RunWorker(flags, signals); });
}
