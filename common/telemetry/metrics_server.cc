#include "common/telemetry/metrics_server.h"

#include <CivetServer.h>

#include <cctype>
#include <exception>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

// What the web server says while it starts, which it does on the thread that starts it: the reason
// why a port cannot be had is told in no other way.
thread_local std::string* starting_says = nullptr;

int OnServerMessage(const struct mg_connection* /*connection*/, const char* message) {
  if (starting_says != nullptr) {
    absl::StrAppend(starting_says, starting_says->empty() ? "" : "; ", message);
  } else {
    LogDebug("metrics server", {{"message", message}});
  }
  return 1;  // handled: it does not go to stderr as well
}

struct Address {
  std::string host;  // an IPv6 address keeps its brackets
  int port = 0;
};

bool IsHost(absl::string_view host) {
  if (host.empty()) return false;
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  return absl::c_all_of(host, [&](unsigned char c) {
    return std::isalnum(c) || c == '.' || (is_bracketed ? c == ':' : c == '-');
  });
}

// Strict, because the web server reads more into a port than a number ("80s", "80,81").
absl::StatusOr<Address> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  Address address;
  const bool is_port = colon != std::string::npos && text.size() - colon <= 6 &&
                       absl::c_all_of(text.substr(colon + 1), absl::ascii_isdigit) &&
                       absl::SimpleAtoi(text.substr(colon + 1), &address.port) &&
                       address.port <= 65535;
  if (is_port) address.host = text.substr(0, colon);
  if (!is_port || !IsHost(address.host)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address \"", text,
                     "\" is not HOST:PORT; expected for example 127.0.0.1:9090, 0.0.0.0:9090 or "
                     "[::1]:0, with a port of at most 65535"));
  }
  return address;
}

absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Listen(const Address& address) {
  std::string said;
  starting_says = &said;
  std::string failure;
  std::unique_ptr<prometheus::Exposer> exposer;
  CivetCallbacks callbacks;
  callbacks.log_message = OnServerMessage;
  try {
    exposer = std::make_unique<prometheus::Exposer>(
        std::vector<std::string>{"listening_ports", absl::StrCat(address.host, ":", address.port),
                                 "num_threads", "2"},
        &callbacks);
  } catch (const std::exception& e) {
    failure = said.empty() ? e.what() : said;
  }
  starting_says = nullptr;
  if (!failure.empty()) {
    return absl::UnavailableError(absl::StrCat("metrics cannot be served at ", address.host, ":",
                                               address.port, ": ", failure));
  }
  return exposer;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address) {
  absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  absl::StatusOr<std::unique_ptr<prometheus::Exposer>> exposer = Listen(*parsed);
  if (!exposer.ok()) return exposer.status();
  const std::vector<int> ports = (*exposer)->GetListeningPorts();
  if (ports.empty()) {
    return absl::UnavailableError(absl::StrCat("metrics are served at no port of ", address));
  }
  return absl::WrapUnique(
      new MetricsServer(absl::StrCat(parsed->host, ":", ports[0]), std::move(*exposer)));
}

MetricsServer::MetricsServer(std::string address, std::unique_ptr<prometheus::Exposer> exposer)
    : address_(std::move(address)), exposer_(std::move(exposer)) {}

void MetricsServer::Expose(const std::shared_ptr<prometheus::Collectable>& source) {
  exposer_->RegisterCollectable(source);
}

}  // namespace paci
