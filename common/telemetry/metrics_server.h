#pragma once

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace paci {

// Serves metrics as Prometheus text at http://HOST:PORT/metrics, from two threads of its own, until
// it is destroyed. Thread-safe.
class MetricsServer {
 public:
  // `address` is HOST:PORT; HOST is a name, an IPv4 address or an IPv6 address in brackets, and
  // PORT 0 takes one that is free. INVALID_ARGUMENT: not an address. UNAVAILABLE: it cannot be
  // listened on, with what the system said ("Address already in use").
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address);

  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // `source` is asked at every scrape for as long as it lives, on a thread of the server.
  void Expose(const std::shared_ptr<prometheus::Collectable>& source);
  // HOST:PORT, with the port that is listened on.
  const std::string& address() const { return address_; }

 private:
  MetricsServer(std::string address, std::unique_ptr<prometheus::Exposer> exposer);

  const std::string address_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace paci
