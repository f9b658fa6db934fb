#include "common/web/metrics_server.h"

#include <prometheus/text_serializer.h>

#include <iterator>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/security/user_tokens.h"
#include "common/web/server_certificate.h"

namespace paci {
namespace {

// No scripts, nothing from elsewhere, in nobody's frame.
constexpr char kPageHeader[] =
    "Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'; style-src "
    "'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'\r\n";
// A browser asks for a name and a password then.
constexpr char kWhoAreYou[] = "WWW-Authenticate: Basic realm=\"paci\", Bearer realm=\"paci\"\r\n";

absl::StatusOr<std::unique_ptr<ServerCertificate>> OpenCertificate(const MetricsOptions& options) {
  if (options.certificate.empty() != options.key.empty()) {
    return absl::InvalidArgumentError(
        "--metrics-tls-cert and --metrics-tls-key go together; only one of them was given");
  }
  if (options.certificate.empty()) return nullptr;
  return ServerCertificate::Open(options.certificate, options.key);
}

absl::StatusOr<std::unique_ptr<UserTokens>> OpenTokens(const MetricsOptions& options) {
  if (options.tokens.empty()) return nullptr;
  if (options.certificate.empty()) {
    return absl::InvalidArgumentError(
        "--metrics-token-file was given without --metrics-tls-cert; tokens are not sent in the "
        "clear");
  }
  return UserTokens::Open(options.tokens);
}

}  // namespace

// What requests are answered from. Thread-safe.
class MetricsServer::Content {
 public:
  explicit Content(std::unique_ptr<UserTokens> tokens) : tokens_(std::move(tokens)) {}

  HttpAnswer Answer(const HttpRequest& request) {
    if (!MayRead(request))
      return {.code = 401, .body = "a token is needed\n", .header = kWhoAreYou};
    if (request.method != "GET" && request.method != "HEAD") {
      return {.code = 405, .body = "only GET and HEAD\n", .header = "Allow: GET, HEAD\r\n"};
    }
    if (request.path == "/metrics") {
      return {.type = "text/plain; version=0.0.4; charset=utf-8", .body = Metrics()};
    }
    absl::MutexLock lock(&mutex_);
    std::optional<std::string> page;
    if (pages_ != nullptr) page = pages_(request.path);
    if (!page) return {.code = 404, .body = "there is nothing here\n"};
    return {.type = "text/html; charset=utf-8", .body = *std::move(page), .header = kPageHeader};
  }

  void Serve(Pages pages) {
    absl::MutexLock lock(&mutex_);
    pages_ = std::move(pages);
  }
  void Expose(std::weak_ptr<prometheus::Collectable> source) {
    absl::MutexLock lock(&mutex_);
    sources_.push_back(std::move(source));
  }

 private:
  // Every role may look; workers have no tokens.
  bool MayRead(const HttpRequest& request) {
    if (tokens_ == nullptr) return true;
    return tokens_->Find(TokenIn(request.authorization), absl::Now()).has_value();
  }
  std::string Metrics() {
    std::vector<prometheus::MetricFamily> families;
    for (const auto& source : Sources()) {
      std::vector<prometheus::MetricFamily> some = source->Collect();
      std::move(some.begin(), some.end(), std::back_inserter(families));
    }
    return prometheus::TextSerializer().Serialize(families);
  }
  std::vector<std::shared_ptr<prometheus::Collectable>> Sources() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::shared_ptr<prometheus::Collectable>> sources;
    for (const auto& source : sources_) {
      if (auto alive = source.lock()) sources.push_back(std::move(alive));
    }
    return sources;
  }

  const std::unique_ptr<UserTokens> tokens_;  // null: everybody may read
  absl::Mutex mutex_;
  Pages pages_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::weak_ptr<prometheus::Collectable>> sources_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const MetricsOptions& options) {
  const absl::StatusOr<HostPort> address = ParseHostPort(options.listen);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--metrics: ", address.status().message()));
  }
  absl::StatusOr<std::unique_ptr<ServerCertificate>> certificate = OpenCertificate(options);
  if (!certificate.ok()) return certificate.status();
  absl::StatusOr<std::unique_ptr<UserTokens>> tokens = OpenTokens(options);
  if (!tokens.ok()) return tokens.status();
  const auto content = std::make_shared<Content>(*std::move(tokens));
  absl::StatusOr<std::unique_ptr<HttpServer>> server =
      HttpServer::Start(*address, *std::move(certificate),
                        [content](const HttpRequest& request) { return content->Answer(request); });
  if (!server.ok()) {
    return absl::UnavailableError(
        absl::StrCat("metrics cannot be served: ", server.status().message()));
  }
  return absl::WrapUnique(new MetricsServer(content, *std::move(server)));
}

MetricsServer::MetricsServer(std::shared_ptr<Content> content, std::unique_ptr<HttpServer> server)
    : content_(std::move(content)),
      server_(std::move(server)),
      address_(ToString(server_->address())) {}

MetricsServer::~MetricsServer() = default;

void MetricsServer::Serve(Pages pages) { content_->Serve(std::move(pages)); }

void MetricsServer::Expose(const std::shared_ptr<prometheus::Collectable>& source) {
  content_->Expose(source);
}

}  // namespace paci
