#include "common/transport/tcp/tcp_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/address.h"
#include "common/rpc/backoff.h"
#include "common/rpc/lobby.h"
#include "common/rpc/socket_deadline.h"
#include "common/telemetry/log.h"
#include "common/transport/io_thread.h"
#include "common/transport/tcp/handshake.h"
#include "common/transport/tcp/tcp_channel.h"
#include "common/transport/tcp/tls.h"

namespace paci {
namespace {

using asio::ip::tcp;
constexpr auto kAwait = asio::experimental::as_tuple(asio::use_awaitable);

std::chrono::nanoseconds Until(absl::Time deadline) {
  return absl::ToChronoNanoseconds(deadline - absl::Now());
}

std::string AddressOf(const tcp::socket& socket) {
  std::error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  return error ? "?" : ToString(HostPort{peer.address().to_string(), peer.port()});
}

// Small frames leave at once. A peer whose host has vanished is given up after 10 s of unanswered
// probes by the end that receives; an end that sends must not be impatient (TCP_USER_TIMEOUT),
// because data that the peer is not ready for is the flow control.
void Tune(tcp::socket& socket) {
  std::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int fd = socket.native_handle();
  const auto set = [fd](int option, int value) {
    setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value));
  };
  set(TCP_KEEPIDLE, 2);
  set(TCP_KEEPINTVL, 2);
  set(TCP_KEEPCNT, 4);
}

// A side of a link that waits for the other. `done` is emptied when it is called.
struct Accepting {
  Accepting(asio::io_context& context, LinkId link, LinkOptions options,
            Transport::OnReceiveChannel done)
      : link(std::move(link)),
        options(std::move(options)),
        done(std::move(done)),
        deadline(context) {}

  const LinkId link;
  const LinkOptions options;
  Transport::OnReceiveChannel done;
  asio::steady_timer deadline;
};

struct Dialling {
  Dialling(asio::io_context& context, LinkId link, LinkOptions options,
           Transport::OnSendChannel done)
      : link(std::move(link)),
        options(std::move(options)),
        done(std::move(done)),
        pause(context),
        socket(context) {}

  const LinkId link;
  const LinkOptions options;
  Transport::OnSendChannel done;
  asio::steady_timer pause;
  tcp::socket socket;
  std::optional<TlsStream> encrypted;  // then `socket` is in it

  bool is_over() const { return done == nullptr; }
  void Cancel() {
    std::error_code ignored;
    socket.close(ignored);
    if (encrypted) encrypted->next_layer().close(ignored);
    pause.cancel();
    std::exchange(done, nullptr)(absl::CancelledError(absl::StrCat("cancelled: ", ToString(link))));
  }
};

// All state of a transport; on the I/O thread only. Kept alive by its coroutines.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(const std::shared_ptr<IoThread>& io, TcpOptions options)
      : io_(io.get()),
        weak_io_(io),
        options_(std::move(options)),
        acceptor_(io->context()),
        lobby_(options_.max_pending_handshakes) {}

  absl::StatusOr<uint16_t> Listen(const HostPort& address);
  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              Transport::OnReceiveChannel done);
  void Connect(const HostPort& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, Transport::OnSendChannel done);
  // Those that `matches`.
  void Cancel(const std::function<bool(const LinkId&)>& matches);
  void Shutdown();

 private:
  asio::awaitable<void> Serve();
  void Admit(tcp::socket accepted);
  asio::awaitable<void> Greet(uint64_t number, std::shared_ptr<tcp::socket> socket);
  // OK: the peer has proved that it belongs to the link. Either way it is out of the lobby.
  asio::awaitable<absl::StatusOr<LinkId>> Hear(uint64_t number, tcp::socket& socket);
  // Of a peer that proved to belong to the link.
  asio::awaitable<void> FinishEncrypted(tcp::socket socket, LinkId link, LinkOptions options);
  asio::awaitable<void> Dial(HostPort address, absl::Time deadline,
                             std::shared_ptr<Dialling> dialling);
  asio::awaitable<absl::Status> DialOnce(HostPort address, absl::Time deadline,
                                         std::shared_ptr<Dialling> dialling);
  std::shared_ptr<Accepting> FindAccepting(const LinkId& link) const;
  void Finish(const std::shared_ptr<Accepting>& accepting,
              absl::StatusOr<std::unique_ptr<ReceiveChannel>> result);
  void Finish(const std::shared_ptr<Dialling>& dialling, const HostPort& address,
              const absl::Status& status);

  IoThread* const io_;
  // For the channels made here: a strong one would keep the thread alive from itself. Not null
  // while something waits for a channel, because the transport ends all that before it lets go.
  const std::weak_ptr<IoThread> weak_io_;
  const TcpOptions options_;
  tcp::acceptor acceptor_;
  std::list<std::shared_ptr<Accepting>> accepting_;
  std::list<std::shared_ptr<Dialling>> dialling_;
  Lobby lobby_;
  uint64_t next_number_ = 1;
  std::map<uint64_t, std::shared_ptr<tcp::socket>> greeted_;  // those in the lobby
};

absl::StatusOr<uint16_t> Core::Listen(const HostPort& address) {
  const auto failed = [&](absl::string_view what, const std::error_code& error) {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen for neighbours on ", ToString(address), ": ", what, ": ", error.message()));
  };
  std::error_code error;
  tcp::resolver resolver(io_->context());
  const auto found = resolver.resolve(address.host, absl::StrCat(address.port), error);
  if (error || found.empty()) return failed("the host is not known", error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  if (error) return failed("no socket", error);
  acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  acceptor_.bind(endpoint, error);
  if (error) return failed("the port cannot be taken", error);
  acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (error) return failed("no listening", error);
  asio::co_spawn(
      io_->context(), [self = shared_from_this()] { return self->Serve(); }, asio::detached);
  return acceptor_.local_endpoint().port();
}

asio::awaitable<void> Core::Serve() {
  while (acceptor_.is_open()) {
    auto [error, socket] = co_await acceptor_.async_accept(kAwait);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      // Out of file descriptors, most likely: wait for some to come back.
      LogWarning("cannot accept a neighbour's connection", {{"error", error.message()}});
      asio::steady_timer pause(io_->context(), std::chrono::milliseconds(100));
      co_await pause.async_wait(kAwait);
      continue;
    }
    Admit(std::move(socket));
  }
}

void Core::Admit(tcp::socket accepted) {
  const auto socket = std::make_shared<tcp::socket>(std::move(accepted));
  std::error_code ignored;
  const std::string address = socket->remote_endpoint(ignored).address().to_string();
  const uint64_t number = next_number_++;
  greeted_[number] = socket;
  if (const std::optional<uint64_t> leaves = lobby_.Enter(number, address)) {
    const auto leaving = greeted_.extract(*leaves).mapped();
    LogDebug("closed a connection to the data port: too many have not proved themselves yet",
             {{"peer", AddressOf(*leaving)}});
    leaving->close(ignored);
  }
  asio::co_spawn(
      io_->context(),
      [self = shared_from_this(), number, socket] { return self->Greet(number, socket); },
      asio::detached);
}

asio::awaitable<absl::StatusOr<LinkId>> Core::Hear(uint64_t number, tcp::socket& socket) {
  const SocketDeadline deadline(socket, absl::ToChronoNanoseconds(options_.handshake_timeout));
  const FindSecret find_secret = [this](const LinkId& wanted) -> const std::string* {
    const auto accepting = FindAccepting(wanted);
    return accepting == nullptr ? nullptr : &accepting->options.secret;
  };
  absl::StatusOr<LinkId> link = co_await Examine(socket, find_secret);
  greeted_.erase(number);
  lobby_.Leave(number);
  co_return link;
}

asio::awaitable<void> Core::Greet(uint64_t number, std::shared_ptr<tcp::socket> socket) {
  const std::shared_ptr<Core> self = shared_from_this();
  const std::string peer = AddressOf(*socket);
  Tune(*socket);
  const absl::StatusOr<LinkId> link = co_await Hear(number, *socket);
  if (!link.ok()) {
    LogDebug("refused a connection to the data port",
             {{"peer", peer}, {"error", link.status().message()}});
    co_return;
  }
  // It may have ended meanwhile.
  const auto accepting = FindAccepting(*link);
  if (accepting == nullptr) co_return;
  const LinkOptions options = accepting->options;
  if (options.encrypt) co_return co_await FinishEncrypted(std::move(*socket), *link, options);
  Finish(accepting,
         MakeTcpReceiver(std::move(*socket), *link, peer, options.checksums, weak_io_.lock()));
}

asio::awaitable<void> Core::FinishEncrypted(tcp::socket socket, LinkId link, LinkOptions options) {
  const std::string peer = AddressOf(socket);
  TlsStream stream = MakeTlsStream(std::move(socket), TlsSide::kAcceptor, link, options.secret);
  absl::Status encrypted;
  {
    const SocketDeadline deadline(stream.next_layer(),
                                  absl::ToChronoNanoseconds(options_.handshake_timeout));
    encrypted = co_await Encrypt(stream, TlsSide::kAcceptor);
  }
  if (!encrypted.ok()) {
    LogDebug("refused a connection to the data port",
             {{"peer", peer}, {"error", encrypted.message()}});
    co_return;
  }
  if (const auto accepting = FindAccepting(link); accepting != nullptr) {
    Finish(accepting,
           MakeTcpReceiver(std::move(stream), link, peer, options.checksums, weak_io_.lock()));
  }
}

std::shared_ptr<Accepting> Core::FindAccepting(const LinkId& link) const {
  const auto found = std::find_if(accepting_.begin(), accepting_.end(),
                                  [&](const auto& accepting) { return accepting->link == link; });
  return found == accepting_.end() ? nullptr : *found;
}

void Core::Finish(const std::shared_ptr<Accepting>& accepting,
                  absl::StatusOr<std::unique_ptr<ReceiveChannel>> result) {
  accepting_.remove(accepting);
  accepting->deadline.cancel();
  std::exchange(accepting->done, nullptr)(std::move(result));
}

void Core::Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
                  Transport::OnReceiveChannel done) {
  if (FindAccepting(link) != nullptr) {
    return done(absl::AlreadyExistsError(
        absl::StrCat("the link of ", ToString(link), " is awaited already")));
  }
  auto accepting = std::make_shared<Accepting>(io_->context(), link, options, std::move(done));
  accepting->deadline.expires_after(Until(deadline));
  accepting->deadline.async_wait([self = shared_from_this(),
                                  accepting](const std::error_code& cancelled) {
    if (cancelled || accepting->done == nullptr) return;
    self->Finish(accepting, absl::DeadlineExceededError(absl::StrCat(
                                "no neighbour came for the link of ", ToString(accepting->link))));
  });
  accepting_.push_back(std::move(accepting));
}

void Core::Connect(const HostPort& address, const LinkId& link, const LinkOptions& options,
                   absl::Time deadline, Transport::OnSendChannel done) {
  auto dialling = std::make_shared<Dialling>(io_->context(), link, options, std::move(done));
  dialling_.push_back(dialling);
  asio::co_spawn(
      io_->context(),
      [self = shared_from_this(), address, deadline, dialling] {
        return self->Dial(address, deadline, dialling);
      },
      asio::detached);
}

asio::awaitable<void> Core::Dial(HostPort address, absl::Time deadline,
                                 std::shared_ptr<Dialling> dialling) {
  const std::shared_ptr<Core> self = shared_from_this();
  const LinkId& link = dialling->link;
  Backoff backoff({absl::Milliseconds(5), absl::Milliseconds(500)},
                  link.generation + link.from_stage);
  absl::Status status;
  while (!dialling->is_over()) {
    status = co_await DialOnce(address, deadline, dialling);
    if (status.ok() || absl::IsPermissionDenied(status) || absl::IsFailedPrecondition(status)) {
      break;
    }
    const absl::Duration pause = backoff.Next();
    if (absl::Now() + pause >= deadline) {
      status = absl::DeadlineExceededError(absl::StrCat("cannot reach ", ToString(address), " for ",
                                                        ToString(link), ": ", status.message()));
      break;
    }
    if (dialling->is_over()) break;
    dialling->pause.expires_after(absl::ToChronoNanoseconds(pause));
    co_await dialling->pause.async_wait(kAwait);
  }
  if (!dialling->is_over()) Finish(dialling, address, status);
}

void Core::Finish(const std::shared_ptr<Dialling>& dialling, const HostPort& address,
                  const absl::Status& status) {
  dialling_.remove(dialling);
  auto done = std::exchange(dialling->done, nullptr);
  if (!status.ok()) return done(status);
  const LinkOptions& options = dialling->options;
  done(dialling->encrypted ? MakeTcpSender(*std::move(dialling->encrypted), dialling->link,
                                           ToString(address), options.checksums, weak_io_.lock())
                           : MakeTcpSender(std::move(dialling->socket), dialling->link,
                                           ToString(address), options.checksums, weak_io_.lock()));
}

asio::awaitable<absl::Status> Core::DialOnce(HostPort address, absl::Time deadline,
                                             std::shared_ptr<Dialling> dialling) {
  tcp::socket& socket = dialling->socket;
  socket = tcp::socket(io_->context());
  dialling->encrypted.reset();
  const auto timeout =
      std::min(Until(deadline), absl::ToChronoNanoseconds(options_.handshake_timeout));
  const SocketDeadline socket_deadline(socket, timeout);
  tcp::resolver resolver(io_->context());
  const auto [unresolved, found] =
      co_await resolver.async_resolve(address.host, absl::StrCat(address.port), kAwait);
  if (unresolved) {
    co_return absl::UnavailableError(absl::StrCat("the host is not known: ", unresolved.message()));
  }
  if (dialling->is_over()) co_return absl::CancelledError("");
  const auto [refused, endpoint] = co_await asio::async_connect(socket, found, kAwait);
  if (refused) co_return absl::UnavailableError(refused.message());
  if (dialling->is_over()) co_return absl::CancelledError("");
  Tune(socket);
  const absl::Status introduced =
      co_await Introduce(socket, dialling->link, dialling->options.secret);
  if (!introduced.ok() || !dialling->options.encrypt || dialling->is_over()) co_return introduced;
  dialling->encrypted =
      MakeTlsStream(std::move(socket), TlsSide::kDialler, dialling->link, dialling->options.secret);
  const SocketDeadline tls_deadline(dialling->encrypted->next_layer(), timeout);
  co_return co_await Encrypt(*dialling->encrypted, TlsSide::kDialler);
}

void Core::Cancel(const std::function<bool(const LinkId&)>& matches) {
  const auto accepting = accepting_;
  for (const auto& accept : accepting) {
    if (accept->done == nullptr || !matches(accept->link)) continue;
    Finish(accept, absl::CancelledError(absl::StrCat("cancelled: ", ToString(accept->link))));
  }
  const auto dialling = dialling_;
  for (const auto& dial : dialling) {
    if (dial->is_over() || !matches(dial->link)) continue;
    dialling_.remove(dial);
    dial->Cancel();
  }
}

void Core::Shutdown() {
  std::error_code ignored;
  acceptor_.close(ignored);
  Cancel([](const LinkId&) { return true; });
}

class TcpTransport final : public Transport {
 public:
  TcpTransport(std::shared_ptr<IoThread> io, std::shared_ptr<Core> core, std::string address)
      : io_(std::move(io)), core_(std::move(core)), address_(std::move(address)) {}
  ~TcpTransport() override {
    io_->RunAndWait([this] { core_->Shutdown(); });
  }

  std::string address() const override { return address_; }

  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    auto shared_done = std::make_shared<OnReceiveChannel>(std::move(done));
    io_->Post([core = core_, link, options, deadline, shared_done] {
      core->Accept(link, options, deadline, std::move(*shared_done));
    });
  }

  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    auto shared_done = std::make_shared<OnSendChannel>(std::move(done));
    const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
    io_->Post([core = core_, parsed, link, options, deadline, shared_done] {
      if (!parsed.ok()) return (*shared_done)(parsed.status());
      core->Connect(*parsed, link, options, deadline, std::move(*shared_done));
    });
  }

  void Cancel(const std::string& job_id, uint64_t generation) override {
    io_->RunAndWait([&] {
      core_->Cancel([&](const LinkId& link) {
        return link.job_id == job_id && link.generation == generation;
      });
    });
  }

 private:
  const std::shared_ptr<IoThread> io_;
  const std::shared_ptr<Core> core_;
  const std::string address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> ListenTcp(const TcpOptions& options) {
  const absl::StatusOr<HostPort> listen = ParseHostPort(options.listen);
  if (!listen.ok()) return listen.status();
  if (options.advertise_host.empty() && (listen->host == "0.0.0.0" || listen->host == "::")) {
    return absl::InvalidArgumentError(
        absl::StrCat("neighbours cannot dial ", options.listen,
                     ": say which of this host's names or addresses they are to use"));
  }
  auto io = std::make_shared<IoThread>();
  auto core = std::make_shared<Core>(io, options);
  absl::StatusOr<uint16_t> port;
  io->RunAndWait([&] { port = core->Listen(*listen); });
  if (!port.ok()) return port.status();
  const std::string host = options.advertise_host.empty() ? listen->host : options.advertise_host;
  return std::make_unique<TcpTransport>(std::move(io), std::move(core),
                                        ToString(HostPort{host, *port}));
}

}  // namespace paci
