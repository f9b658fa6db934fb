#pragma once

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// Serves metrics as Prometheus text at http://HOST:PORT/metrics, from two threads of its own, until
// it is destroyed. Thread-safe.
class MetricsServer {
 public:
  // `address` is HOST:PORT; HOST is a name, an IPv4 address or an IPv6 address in brackets, and
  // PORT 0 takes one that is free. INVALID_ARGUMENT: not an address. UNAVAILABLE: it cannot be
  // listened on, with what the system said ("Address already in use").
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const std::string& address);

  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // `source` is asked at every scrape for as long as it lives, on a thread of the server.
  void Expose(const std::shared_ptr<prometheus::Collectable>& source);
  // Answers what is not /metrics: an HTML page for the path of a GET; nullopt: there is none.
  // Called on a thread of the server, until this is destroyed or Serve is called again.
  using Pages = std::function<std::optional<std::string>(absl::string_view path)>;
  void Serve(Pages pages);
  // HOST:PORT, with the port that is listened on.
  const std::string& address() const { return address_; }

 private:
  struct Pager;  // what requests are answered from
  MetricsServer(std::string address, std::shared_ptr<Pager> pager,
                std::unique_ptr<prometheus::Exposer> exposer);

  const std::string address_;
  const std::shared_ptr<Pager> pager_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace paci
