#pragma once

// common/daemon: what the main()s of the daemons share. Only they may depend on it. Guards: a bad
// command line ends with 2 and a failure with 1, each with one line on stderr.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "common/security/tls.h"
#include "common/web/metrics_server.h"

namespace paci {

// SIGINT, SIGTERM and SIGUSR1 come to the one thread that waits for them; those started after this
// never see one.
sigset_t BlockSignals();

// Takes as many file descriptors as the system allows this process. How many that are.
uint64_t RaiseDescriptorLimit();

// Parses the command line of `app`, calls `run`, and returns the exit code of the process.
int RunDaemon(const std::string& name, CLI::App& app, int argc, char** argv,
              const std::function<absl::Status()>& run);

// --tls-ca, --tls-cert, --tls-key and --insecure.
void AddSecurityFlags(CLI::App& app, SecurityOptions& options);

// --metrics, --metrics-tls-cert, --metrics-tls-key and --metrics-token-file.
void AddMetricsFlags(CLI::App& app, MetricsOptions& options);

}  // namespace paci
