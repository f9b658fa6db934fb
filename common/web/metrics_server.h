#pragma once

// common/web: what Prometheus and browsers read, /metrics and pages, over HTTP or HTTPS. Daemons
// depend on it. Guards: who has no token reads nothing where tokens are asked for; however many
// connect and whatever they say, memory, descriptors and threads are bounded.

#include <prometheus/collectable.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/web/http_server.h"

namespace paci {

struct MetricsOptions {
  // HOST:PORT; HOST is a name, an IPv4 address or an IPv6 address in brackets, and PORT 0 takes one
  // that is free.
  std::string listen;
  // Files in PEM; both empty: HTTP.
  std::string certificate;
  std::string key;
  // Whoever has a token of this file may read; empty: everybody may. Tokens are not sent in the
  // clear: not without a certificate.
  std::string tokens;
};

// Serves metrics as Prometheus text at /metrics, and pages elsewhere, until it is destroyed.
// Certificate and tokens that change are taken up within a second. Thread-safe.
class MetricsServer {
 public:
  // INVALID_ARGUMENT: not an address, or what is missing, wrong or contradicts. UNAVAILABLE: it
  // cannot be listened on, with what the system said ("Address already in use").
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(const MetricsOptions& options);

  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // `source` is asked at every scrape for as long as it lives, on the server's thread.
  void Expose(const std::shared_ptr<prometheus::Collectable>& source);
  // Answers what is not /metrics: an HTML page for the path of a GET; nullopt: there is none.
  // Called on the server's thread, until this is destroyed or Serve is called again.
  using Pages = std::function<std::optional<std::string>(absl::string_view path)>;
  void Serve(Pages pages);
  // HOST:PORT, with the port that is listened on.
  const std::string& address() const { return address_; }

 private:
  class Content;

  MetricsServer(std::shared_ptr<Content> content, std::unique_ptr<HttpServer> server);

  const std::shared_ptr<Content> content_;
  const std::unique_ptr<HttpServer> server_;
  const std::string address_;
};

}  // namespace paci
