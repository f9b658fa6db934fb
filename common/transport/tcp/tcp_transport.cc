#include "common/transport/tcp/tcp_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/as_tuple.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/address.h"
#include "common/rpc/backoff.h"
#include "common/telemetry/log.h"
#include "common/transport/io_thread.h"
#include "common/transport/tcp/handshake.h"
#include "common/transport/tcp/tcp_channel.h"

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

// Small frames leave at once; a peer whose host has vanished is given up after 10 s of unanswered
// data or probes.
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
  set(TCP_USER_TIMEOUT, 10'000);
}

// Closes a socket when the time is over, unless it goes out of scope first.
class SocketDeadline {
 public:
  SocketDeadline(tcp::socket& socket, std::chrono::nanoseconds after)
      : timer_(socket.get_executor(), after) {
    timer_.async_wait([&socket](const std::error_code& cancelled) {
      std::error_code ignored;
      if (!cancelled) socket.close(ignored);
    });
  }

 private:
  asio::steady_timer timer_;
};

struct Accepting {
  LinkId link;
  LinkOptions options;
  Transport::OnReceiveChannel done;
  std::unique_ptr<asio::steady_timer> deadline;
};

struct Dialling {
  Dialling(asio::io_context& context, LinkId link)
      : link(std::move(link)), pause(context), socket(context) {}
  LinkId link;
  asio::steady_timer pause;
  tcp::socket socket;
  bool is_cancelled = false;

  void Cancel() {
    is_cancelled = true;
    std::error_code ignored;
    socket.close(ignored);
    pause.cancel();
  }
};

// All state of a transport; on the I/O thread only. Kept alive by its coroutines.
class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(std::shared_ptr<IoThread> io, TcpOptions options)
      : io_(io.get()), weak_io_(io), options_(std::move(options)), acceptor_(io->context()) {}

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
  asio::awaitable<void> Greet(tcp::socket socket);
  asio::awaitable<void> Dial(HostPort address, LinkOptions options, absl::Time deadline,
                             std::shared_ptr<Transport::OnSendChannel> done,
                             std::shared_ptr<Dialling> dialling);
  asio::awaitable<absl::Status> DialOnce(HostPort address, LinkOptions options, absl::Time deadline,
                                         std::shared_ptr<Dialling> dialling);
  std::list<Accepting>::iterator FindAccepting(const LinkId& link);
  void Finish(std::list<Accepting>::iterator accepting,
              absl::StatusOr<std::unique_ptr<ReceiveChannel>> result);

  IoThread* const io_;
  // For the channels made here: a strong one would keep the thread alive from itself.
  const std::weak_ptr<IoThread> weak_io_;
  const TcpOptions options_;
  tcp::acceptor acceptor_;
  std::list<Accepting> accepting_;
  std::list<std::shared_ptr<Dialling>> dialling_;
  int pending_handshakes_ = 0;
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
    if (pending_handshakes_ >= options_.max_pending_handshakes) continue;
    asio::co_spawn(
        io_->context(),
        [self = shared_from_this(), moved = std::move(socket)]() mutable {
          return self->Greet(std::move(moved));
        },
        asio::detached);
  }
}

asio::awaitable<void> Core::Greet(tcp::socket socket) {
  ++pending_handshakes_;
  const std::shared_ptr<Core> self = shared_from_this();
  const std::string peer = AddressOf(socket);
  Tune(socket);
  absl::StatusOr<LinkId> link = absl::UnknownError("");
  {
    const SocketDeadline deadline(socket, absl::ToChronoNanoseconds(options_.handshake_timeout));
    const FindSecret find_secret = [this](const LinkId& wanted) -> const std::string* {
      const auto accepting = FindAccepting(wanted);
      return accepting == accepting_.end() ? nullptr : &accepting->options.secret;
    };
    link = co_await Examine(socket, find_secret);
  }
  --pending_handshakes_;
  if (!link.ok()) {
    LogDebug("refused a connection to the data port",
             {{"peer", peer}, {"error", link.status().message()}});
    co_return;
  }
  const auto accepting = FindAccepting(*link);
  const auto io = weak_io_.lock();
  if (accepting == accepting_.end() || io == nullptr) co_return;
  const bool checksums = accepting->options.checksums;
  Finish(accepting, MakeTcpReceiver(std::move(socket), *link, peer, checksums, io));
}

std::list<Accepting>::iterator Core::FindAccepting(const LinkId& link) {
  return std::find_if(accepting_.begin(), accepting_.end(),
                      [&](const Accepting& accepting) { return accepting.link == link; });
}

void Core::Finish(std::list<Accepting>::iterator accepting,
                  absl::StatusOr<std::unique_ptr<ReceiveChannel>> result) {
  Accepting finished = std::move(*accepting);
  accepting_.erase(accepting);
  finished.deadline->cancel();
  finished.done(std::move(result));
}

void Core::Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
                  Transport::OnReceiveChannel done) {
  auto timer = std::make_unique<asio::steady_timer>(io_->context(), Until(deadline));
  timer->async_wait([self = shared_from_this(), link](const std::error_code& cancelled) {
    const auto accepting = self->FindAccepting(link);
    if (cancelled || accepting == self->accepting_.end()) return;
    self->Finish(accepting, absl::DeadlineExceededError(absl::StrCat(
                                "no neighbour came for the link of ", ToString(link))));
  });
  accepting_.push_back({link, options, std::move(done), std::move(timer)});
}

void Core::Connect(const HostPort& address, const LinkId& link, const LinkOptions& options,
                   absl::Time deadline, Transport::OnSendChannel done) {
  auto dialling = std::make_shared<Dialling>(io_->context(), link);
  dialling_.push_back(dialling);
  auto shared_done = std::make_shared<Transport::OnSendChannel>(std::move(done));
  asio::co_spawn(
      io_->context(),
      [self = shared_from_this(), address, options, deadline, shared_done, dialling] {
        return self->Dial(address, options, deadline, shared_done, dialling);
      },
      asio::detached);
}

asio::awaitable<void> Core::Dial(HostPort address, LinkOptions options, absl::Time deadline,
                                 std::shared_ptr<Transport::OnSendChannel> done,
                                 std::shared_ptr<Dialling> dialling) {
  const std::shared_ptr<Core> self = shared_from_this();
  const LinkId& link = dialling->link;
  Backoff backoff({absl::Milliseconds(5), absl::Milliseconds(500)},
                  link.generation + link.from_stage);
  absl::Status status;
  for (;;) {
    status = co_await DialOnce(address, options, deadline, dialling);
    if (status.ok() || dialling->is_cancelled || absl::IsPermissionDenied(status) ||
        absl::IsFailedPrecondition(status)) {
      break;
    }
    const absl::Duration pause = backoff.Next();
    if (absl::Now() + pause >= deadline) {
      status = absl::DeadlineExceededError(absl::StrCat("cannot reach ", ToString(address), " for ",
                                                        ToString(link), ": ", status.message()));
      break;
    }
    dialling->pause.expires_after(absl::ToChronoNanoseconds(pause));
    co_await dialling->pause.async_wait(kAwait);
  }
  dialling_.remove(dialling);
  const auto io = weak_io_.lock();
  if (dialling->is_cancelled || io == nullptr) {
    (*done)(absl::CancelledError(absl::StrCat("cancelled: ", ToString(link))));
  } else if (!status.ok()) {
    (*done)(status);
  } else {
    (*done)(
        MakeTcpSender(std::move(dialling->socket), link, ToString(address), options.checksums, io));
  }
}

asio::awaitable<absl::Status> Core::DialOnce(HostPort address, LinkOptions options,
                                             absl::Time deadline,
                                             std::shared_ptr<Dialling> dialling) {
  tcp::socket& socket = dialling->socket;
  socket = tcp::socket(io_->context());
  const auto timeout =
      std::min(Until(deadline), absl::ToChronoNanoseconds(options_.handshake_timeout));
  const SocketDeadline socket_deadline(socket, timeout);
  tcp::resolver resolver(io_->context());
  const auto [unresolved, found] =
      co_await resolver.async_resolve(address.host, absl::StrCat(address.port), kAwait);
  if (unresolved) {
    co_return absl::UnavailableError(absl::StrCat("the host is not known: ", unresolved.message()));
  }
  if (dialling->is_cancelled) co_return absl::CancelledError("");
  const auto [refused, endpoint] = co_await asio::async_connect(socket, found, kAwait);
  if (refused) co_return absl::UnavailableError(refused.message());
  if (dialling->is_cancelled) co_return absl::CancelledError("");
  Tune(socket);
  co_return co_await Introduce(socket, dialling->link, options.secret);
}

void Core::Cancel(const std::function<bool(const LinkId&)>& matches) {
  for (auto it = accepting_.begin(); it != accepting_.end();) {
    const auto accepting = it++;
    if (!matches(accepting->link)) continue;
    const absl::Status cancelled =
        absl::CancelledError(absl::StrCat("cancelled: ", ToString(accepting->link)));
    Finish(accepting, cancelled);
  }
  const auto dialling = dialling_;
  for (const auto& dial : dialling) {
    if (matches(dial->link)) dial->Cancel();
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
    // Cancelled coroutines resume once more, to call back.
    io_->RunAndWait([] {});
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
