#include "common/web/http_server.h"

#include <pthread.h>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/ssl/stream.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/lobby.h"
#include "common/rpc/socket_deadline.h"
#include "common/telemetry/log.h"
#include "common/web/server_certificate.h"

namespace paci {
namespace {

using asio::ip::tcp;
constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);

constexpr size_t kRoom = 64;
constexpr size_t kMaxHeadBytes = 16 << 10;
constexpr std::chrono::seconds kPatience(10);

}  // namespace

// All state but the thread is touched on the thread only, once it runs.
class HttpServer::Core {
 public:
  Core(std::unique_ptr<ServerCertificate> certificate, Handler handler)
      : certificate_(std::move(certificate)), handler_(std::move(handler)), acceptor_(context_) {}
  ~Core() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
    connections_.clear();
  }

  // The port.
  absl::StatusOr<uint16_t> Listen(const HostPort& address);
  void Run() {
    thread_ = std::thread([this] { context_.run(); });
    pthread_setname_np(thread_.native_handle(), "paci-web");
  }

 private:
  asio::awaitable<void> Serve();
  void Admit(tcp::socket accepted);
  asio::awaitable<void> Greet(uint64_t number, std::shared_ptr<tcp::socket> socket);
  template <typename Stream>
  asio::awaitable<void> Answer(Stream& stream);
  asio::awaitable<void> AnswerEncrypted(tcp::socket& socket);
  std::string AnswerTo(absl::string_view head);

  const std::unique_ptr<ServerCertificate> certificate_;
  const Handler handler_;
  asio::io_context context_;
  tcp::acceptor acceptor_;
  Lobby lobby_{kRoom};
  uint64_t next_number_ = 1;
  std::map<uint64_t, std::shared_ptr<tcp::socket>> connections_;  // those in the lobby
  std::thread thread_;
};

absl::StatusOr<uint16_t> HttpServer::Core::Listen(const HostPort& address) {
  std::error_code error;
  tcp::resolver resolver(context_);
  const auto found =
      resolver.resolve(address.host, absl::StrCat(address.port), tcp::resolver::passive, error);
  if (!error) {
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", ToString(address), ": ", error.message()));
  }
  asio::co_spawn(
      context_, [this] { return Serve(); }, asio::detached);
  return acceptor_.local_endpoint().port();
}

asio::awaitable<void> HttpServer::Core::Serve() {
  for (;;) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (!error) {
      Admit(std::move(socket));
      continue;
    }
    // Out of file descriptors, most likely: wait for some to come back.
    LogWarning("cannot accept a connection to /metrics", {{"error", error.message()}});
    asio::steady_timer pause(context_, std::chrono::milliseconds(100));
    co_await pause.async_wait(kAwait);
  }
}

void HttpServer::Core::Admit(tcp::socket accepted) {
  const auto socket = std::make_shared<tcp::socket>(std::move(accepted));
  std::error_code ignored;
  const std::string address = socket->remote_endpoint(ignored).address().to_string();
  const uint64_t number = next_number_++;
  connections_[number] = socket;
  if (const std::optional<uint64_t> leaves = lobby_.Enter(number, address)) {
    connections_.extract(*leaves).mapped()->close(ignored);
  }
  asio::co_spawn(
      context_, [this, number, socket] { return Greet(number, socket); }, asio::detached);
}

asio::awaitable<void> HttpServer::Core::Greet(uint64_t number,
                                              std::shared_ptr<tcp::socket> socket) {
  {
    const SocketDeadline deadline(*socket, kPatience);
    if (certificate_ == nullptr) {
      co_await Answer(*socket);
    } else {
      co_await AnswerEncrypted(*socket);
    }
  }
  std::error_code ignored;
  socket->shutdown(tcp::socket::shutdown_both, ignored);
  connections_.erase(number);
  lobby_.Leave(number);
}

asio::awaitable<void> HttpServer::Core::AnswerEncrypted(tcp::socket& socket) {
  // Outlives the stream that it makes.
  const std::shared_ptr<asio::ssl::context> tls = certificate_->Context(absl::Now());
  asio::ssl::stream<tcp::socket&> stream(socket, *tls);
  const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kAwait);
  if (error) {
    LogDebug("refused a connection to /metrics", {{"error", error.message()}});
    co_return;
  }
  co_await Answer(stream);
  co_await stream.async_shutdown(kAwait);
}

template <typename Stream>
asio::awaitable<void> HttpServer::Core::Answer(Stream& stream) {
  std::string head;
  const auto [error, size] = co_await asio::async_read_until(
      stream, asio::dynamic_buffer(head, kMaxHeadBytes), "\r\n\r\n", kAwait);
  // `not_found`: it says too much.
  if (error && error != asio::error::not_found) co_return;
  const std::string answer = AnswerTo(absl::string_view(head).substr(0, size));
  co_await asio::async_write(stream, asio::buffer(answer), kAwait);
}

std::string HttpServer::Core::AnswerTo(absl::string_view head) {
  const absl::StatusOr<HttpRequest> request = ParseRequest(head);
  if (!request.ok()) {
    return ToBytes({.code = 400, .body = "this is not a request\n"}, /*with_body=*/true);
  }
  return ToBytes(handler_(*request), request->method != "HEAD");
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const HostPort& address, std::unique_ptr<ServerCertificate> certificate, Handler handler) {
  auto core = std::make_unique<Core>(std::move(certificate), std::move(handler));
  const absl::StatusOr<uint16_t> port = core->Listen(address);
  if (!port.ok()) return port.status();
  core->Run();
  return absl::WrapUnique(new HttpServer({address.host, *port}, std::move(core)));
}

HttpServer::HttpServer(HostPort address, std::unique_ptr<Core> core)
    : address_(std::move(address)), core_(std::move(core)) {}

HttpServer::~HttpServer() = default;

}  // namespace paci
