// paci-worker: parses its flags, listens for its neighbours, serves the coordinator until it is
// told to leave.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/daemon/daemon.h"
#include "common/gpu/loaded_cuda.h"
#include "common/gpu/loaded_nccl.h"
#include "common/rpc/address.h"
#include "common/rpc/health_server.h"
#include "common/rpc/version.h"
#include "common/telemetry/log.h"
#include "common/transport/device/staged_transport.h"
#include "common/transport/nccl/nccl_transport.h"
#include "common/transport/tcp/tcp_transport.h"
#include "common/web/metrics_server.h"
#include "worker/agent/agent.h"
#include "worker/compute/torch_compute.h"
#include "worker/device/torch_cuda.h"
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
  std::string device = "cpu";
  bool probe = false;
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
  app.add_option("--device", flags.device,
                 "where this worker computes: cpu, cuda (device 0) or cuda:N")
      ->capture_default_str();
  app.add_flag("--probe", flags.probe,
               "say which GPUs, drivers and libraries this machine has, and leave");
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

// The CUDA device of --device; kNoGpu: the CPU.
absl::StatusOr<int> GpuOf(absl::string_view device) {
  if (device == "cpu") return kNoGpu;
  if (device == "cuda") return 0;
  int gpu = 0;
  if (absl::ConsumePrefix(&device, "cuda:") && absl::SimpleAtoi(device, &gpu) && gpu >= 0) {
    return gpu;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--device is \"", device, "\"; expected cpu, cuda or cuda:N"));
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
  status.Update(GpuOf(flags.device).status());
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

// A GPU, and what moves bytes from and to it; all empty without one.
struct GpuLinks {
  std::optional<GpuDevice> device;
  std::unique_ptr<CudaApi> cuda;
  std::unique_ptr<NcclApi> nccl;
  std::unique_ptr<Transport> staged;
  std::unique_ptr<Transport> over_nccl;

  Transports With(Transport* host) const {
    Transports transports(host);
    transports.staged = staged.get();
    transports.nccl = over_nccl.get();
    return transports;
  }
};

absl::StatusOr<GpuLinks> OpenGpu(int ordinal, Transport* host) {
  GpuLinks gpu;
  if (ordinal == kNoGpu) return gpu;
  absl::StatusOr<std::unique_ptr<CudaApi>> cuda = OpenCuda(ordinal);
  absl::Status opened = cuda.status();
  if (opened.ok()) opened = LoadTorchCuda();
  absl::StatusOr<std::unique_ptr<NcclApi>> nccl = OpenNccl();
  opened.Update(nccl.status());
  if (!opened.ok()) {
    return absl::Status(opened.code(),
                        absl::StrCat("--device cuda:", ordinal, ": ", opened.message(),
                                     "; paci-worker --probe says what is here"));
  }
  gpu.device = ListGpus()->at(ordinal);
  gpu.cuda = *std::move(cuda);
  gpu.nccl = *std::move(nccl);
  gpu.staged = MakeStagedTransport(gpu.cuda.get(), host);
  gpu.over_nccl = MakeNcclTransport(gpu.cuda.get(), gpu.nccl.get(), host);
  return gpu;
}

AgentOptions DescribeWorker(const Flags& flags, uint32_t threads, const GpuLinks& gpu) {
  AgentOptions options;
  options.coordinator = flags.coordinator;
  options.worker_id = RandomWorkerId();
  options.worker_name = flags.name;
  options.info = DescribeHost();
  options.info.set_threads(threads);
  if (gpu.device) {
    options.info.set_device("cuda");
    options.info.set_gpu_id(NcclDeviceId(gpu.device->uuid));
    options.info.set_gpu_name(gpu.device->name);
    options.info.set_memory_bytes(gpu.device->memory_bytes);
  }
  options.info.set_matmul_flops(
      MeasureMatmulFlops(threads, gpu.device ? gpu.device->ordinal : kNoGpu));
  return options;
}

absl::Status Probe() {
  const GpuReport report = ProbeGpus();
  std::cout << report.text;
  if (report.is_complete) return absl::OkStatus();
  return absl::NotFoundError(
      "this machine cannot compute with device: cuda; what is missing is above");
}

absl::Status RunWorker(const Flags& flags, const sigset_t& signals) {
  if (flags.probe) return Probe();
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
  const int ordinal = *GpuOf(flags.device);
  const absl::StatusOr<GpuLinks> gpu = OpenGpu(ordinal, transport->get());
  if (!gpu.ok()) return gpu.status();
  const std::unique_ptr<Engine> engine = MakeTorchEngine(threads, flags.roots, ordinal);
  AgentOptions options = DescribeWorker(flags, threads, *gpu);
  options.credentials = *credentials;
  options.info.set_data_address((*transport)->address());
  options.info.set_metrics_address(metrics ? metrics->address() : "");
  if (*health != nullptr) {
    options.on_registration = [&health](bool is_registered) {
      (*health)->SetServing(kRegistered, is_registered);
    };
  }
  Agent agent(options, gpu->With(transport->get()), engine.get());
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
