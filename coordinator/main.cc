// paci-coordinator: parses its flags, serves users and workers until it is told to end.
#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <sys/random.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/daemon/daemon.h"
#include "common/rpc/version.h"
#include "common/security/tls.h"
#include "common/telemetry/log.h"
#include "coordinator/service/server.h"

namespace paci {
namespace {

struct Flags {
  std::string listen = "127.0.0.1:7070";
  std::string store = "paci.db";
  MetricsOptions metrics;
  std::string port_file;
  SecurityOptions security;
  std::string token_file;
  double lease_seconds = 5;
  double report_interval_seconds = 1;
  std::string log_level = "warning";
  std::string log_format = "text";
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.set_version_flag("--version", absl::StrCat("paci-coordinator ", kVersion));
  app.set_config("--config", "", "TOML or INI file with the same keys as the flags");
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.add_option("--listen", flags.listen,
                 "HOST:PORT for users and workers; port 0 takes a free one")
      ->capture_default_str();
  app.add_option("--store", flags.store, "file of jobs, events and curves; made if it is not there")
      ->capture_default_str();
  AddMetricsFlags(app, flags.metrics);
  app.add_option("--port-file", flags.port_file,
                 "written once everything listens: lines rpc=HOST:PORT and metrics=HOST:PORT");
  AddSecurityFlags(app, flags.security);
  app.add_option("--token-file", flags.token_file,
                 "users, their roles and the hashes of their tokens; empty: none has a token");
  app.add_option("--lease-seconds", flags.lease_seconds,
                 "silence after which a worker counts as lost")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--report-interval-seconds", flags.report_interval_seconds,
                 "how often workers report; at most half of the lease")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 600.0));
  app.add_option("--log-level", flags.log_level, "debug, info, warning or error")
      ->capture_default_str();
  app.add_option("--log-format", flags.log_format, "text or json")->capture_default_str();
}

// What gRPC says goes where everything goes; our own errors tell the user.
void LogGrpc(gpr_log_func_args* args) { LogDebug(args->message, {{"from", "grpc"}}); }

std::string RandomSecret() {
  std::string bytes(32, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::BytesToHexString(bytes);
}

absl::Status WritePortFile(const std::string& path, const Server& server) {
  if (path.empty()) return absl::OkStatus();
  const std::string unfinished = absl::StrCat(path, ".tmp");
  std::ofstream file(unfinished, std::ios::trunc);
  file << "rpc=" << server.rpc_address() << "\nmetrics=" << server.metrics_address() << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(unfinished, path, error);
  if (file && !error) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("the port file ", path, " cannot be written"));
}

absl::Status RunCoordinator(const Flags& flags, const sigset_t& signals) {
  if (absl::Status logging = InitLogging(flags.log_level, flags.log_format); !logging.ok()) {
    return logging;
  }
  if (!(flags.report_interval_seconds * 2 <= flags.lease_seconds)) {  // neither of them is NaN
    return absl::InvalidArgumentError(
        absl::StrCat("--report-interval-seconds is ", flags.report_interval_seconds,
                     "; expected at most half of --lease-seconds, which is ", flags.lease_seconds));
  }
  gpr_set_log_function(LogGrpc);
  const auto credentials = MakeServerCredentials(flags.security, flags.token_file);
  if (!credentials.ok()) return credentials.status();
  absl::Status fatal;  // written before SIGUSR1 is sent, read after it came
  ServerOptions options;
  options.listen = flags.listen;
  options.metrics = flags.metrics;
  options.store = flags.store;
  options.credentials = *credentials;
  options.guests = GuestLimits::For(RaiseDescriptorLimit());
  options.controller.lease = absl::Seconds(flags.lease_seconds);
  options.controller.report_interval = absl::Seconds(flags.report_interval_seconds);
  options.controller.make_secret = RandomSecret;
  options.on_fatal = [&fatal, main = pthread_self()](const absl::Status& why) {
    fatal = why;
    pthread_kill(main, SIGUSR1);
  };
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options);
  if (!server.ok()) return server.status();
  if (absl::Status ports = WritePortFile(flags.port_file, **server); !ports.ok()) return ports;
  LogInfo("paci-coordinator is up", {{"rpc", (*server)->rpc_address()},
                                     {"metrics", (*server)->metrics_address()},
                                     {"store", flags.store}});
  int signal = 0;
  sigwait(&signals, &signal);
  LogInfo("paci-coordinator ends", {{"signal", sigabbrev_np(signal)}});
  server->reset();
  return fatal;
}

}  // namespace
}  // namespace paci

int main(int argc, char** argv) {
  const sigset_t signals = paci::BlockSignals();
  CLI::App app("paci-coordinator keeps the jobs and gives their stages to workers.");
  paci::Flags flags;
  paci::AddFlags(app, flags);
  return paci::RunDaemon("paci-coordinator", app, argc, argv,
                         [&] { return paci::RunCoordinator(flags, signals); });
}
