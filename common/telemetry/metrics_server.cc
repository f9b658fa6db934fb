#include "common/telemetry/metrics_server.h"

#include <CivetServer.h>

#include <cctype>
#include <exception>
#include <map>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
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

// A web server's context is known to nobody but its callbacks; these find what they answer from.
// Thread-safe.
template <typename Pager>
class Contexts {
 public:
  void Add(const mg_context* context, std::weak_ptr<Pager> pager) {
    absl::MutexLock lock(&mutex_);
    pagers_[context] = std::move(pager);
  }
  void Remove(const mg_context* context) {
    absl::MutexLock lock(&mutex_);
    pagers_.erase(context);
  }
  std::shared_ptr<Pager> Find(const mg_context* context) {
    absl::MutexLock lock(&mutex_);
    const auto found = pagers_.find(context);
    return found == pagers_.end() ? nullptr : found->second.lock();
  }

 private:
  absl::Mutex mutex_;
  std::map<const mg_context*, std::weak_ptr<Pager>> pagers_ ABSL_GUARDED_BY(mutex_);
};

// No scripts, nothing from elsewhere, in nobody's frame.
void Write(mg_connection* connection, const std::string& page, bool with_body) {
  const std::string header = absl::StrCat(
      "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: ", page.size(),
      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: "
      "no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
      "frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\nConnection: close\r\n\r\n");
  mg_write(connection, header.data(), header.size());
  if (with_body) mg_write(connection, page.data(), page.size());
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

absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Listen(const Address& address,
                                                            CivetCallbacks callbacks) {
  std::string said;
  starting_says = &said;
  std::string failure;
  std::unique_ptr<prometheus::Exposer> exposer;
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

struct MetricsServer::Pager {
  absl::Mutex mutex;
  Pages pages ABSL_GUARDED_BY(mutex);

  static Contexts<Pager>& contexts() {
    static auto* const contexts = new Contexts<Pager>();
    return *contexts;
  }
  // Of the server that this thread starts.
  static std::shared_ptr<Pager>& starting() {
    thread_local std::shared_ptr<Pager> pager;
    return pager;
  }
  static int Answer(mg_connection* connection) {
    const std::shared_ptr<Pager> pager = contexts().Find(mg_get_context(connection));
    const mg_request_info* const request = mg_get_request_info(connection);
    const absl::string_view method = request->request_method;
    if (pager == nullptr || (method != "GET" && method != "HEAD")) return 0;
    std::optional<std::string> page;
    {
      absl::MutexLock lock(&pager->mutex);
      if (pager->pages != nullptr) page = pager->pages(request->local_uri);
    }
    if (!page) return 0;
    Write(connection, *page, method == "GET");
    return 200;
  }
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& address) {
  absl::StatusOr<Address> parsed = ParseAddress(address);
  if (!parsed.ok()) return parsed.status();
  const auto pager = std::make_shared<Pager>();
  CivetCallbacks callbacks;
  callbacks.begin_request = Pager::Answer;
  callbacks.init_context = [](const mg_context* context) {
    Pager::contexts().Add(context, Pager::starting());
  };
  callbacks.exit_context = [](const mg_context* context) { Pager::contexts().Remove(context); };
  Pager::starting() = pager;
  absl::StatusOr<std::unique_ptr<prometheus::Exposer>> exposer = Listen(*parsed, callbacks);
  Pager::starting() = nullptr;
  if (!exposer.ok()) return exposer.status();
  const std::vector<int> ports = (*exposer)->GetListeningPorts();
  if (ports.empty()) {
    return absl::UnavailableError(absl::StrCat("metrics are served at no port of ", address));
  }
  return absl::WrapUnique(
      new MetricsServer(absl::StrCat(parsed->host, ":", ports[0]), pager, std::move(*exposer)));
}

MetricsServer::MetricsServer(std::string address, std::shared_ptr<Pager> pager,
                             std::unique_ptr<prometheus::Exposer> exposer)
    : address_(std::move(address)), pager_(std::move(pager)), exposer_(std::move(exposer)) {}

MetricsServer::~MetricsServer() { Serve(nullptr); }

void MetricsServer::Serve(Pages pages) {
  absl::MutexLock lock(&pager_->mutex);
  pager_->pages = std::move(pages);
}

void MetricsServer::Expose(const std::shared_ptr<prometheus::Collectable>& source) {
  exposer_->RegisterCollectable(source);
}

}  // namespace paci
