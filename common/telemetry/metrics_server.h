#pragma once

#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace paci {

// Serves one registry of metrics as Prometheus text at http://HOST:PORT/metrics, from two threads
// of its own, until it is destroyed. Thread-safe.
class MetricsServer {
 public:
  // `address` is HOST:PORT; HOST is a name, an IPv4 address or an IPv6 address in brackets, and
  // PORT 0 takes one that is free. INVALID_ARGUMENT: not an address. UNAVAILABLE: it cannot be
  // listened on, with what the system said ("Address already in use").
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address);

  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  prometheus::Registry& registry() { return *registry_; }
  // HOST:PORT, with the port that is listened on.
  const std::string& address() const { return address_; }

 private:
  MetricsServer(std::string address, std::unique_ptr<prometheus::Exposer> exposer);

  const std::string address_;
  const std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  const std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace paci
