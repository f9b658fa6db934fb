#include "common/daemon/daemon.h"

#include <pthread.h>
#include <sys/resource.h>

#include <cstdio>

namespace paci {

sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

uint64_t RaiseDescriptorLimit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

int RunDaemon(const std::string& name, CLI::App& app, int argc, char** argv,
              const std::function<absl::Status()>& run) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", name.c_str(), std::string(status.message()).c_str());
  return absl::IsInvalidArgument(status) ? 2 : 1;
}

void AddSecurityFlags(CLI::App& app, SecurityOptions& options) {
  app.add_option("--tls-ca", options.tls.ca,
                 "certificate of the authority that those of others must be of");
  app.add_option("--tls-cert", options.tls.certificate, "this process's own certificate");
  app.add_option("--tls-key", options.tls.key, "its key");
  app.add_flag(
      "--insecure", options.is_insecure,
      "neither encrypt connections nor ask who calls: for a network whose every machine is "
      "trusted");
}

void AddMetricsFlags(CLI::App& app, MetricsOptions& options) {
  app.add_option("--metrics", options.listen, "HOST:PORT of /metrics; empty: none");
  app.add_option("--metrics-tls-cert", options.certificate,
                 "certificate of --metrics, which is HTTPS then");
  app.add_option("--metrics-tls-key", options.key, "its key");
  app.add_option("--metrics-token-file", options.tokens,
                 "hashes of the tokens one of which readers of --metrics must have; empty: none");
}

}  // namespace paci
