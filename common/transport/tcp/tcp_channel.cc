#include "common/transport/tcp/tcp_channel.h"

#include <array>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/transport/pending.h"
#include "common/transport/tcp/wire.h"

namespace paci {
namespace {

// Completes a transfer when at least `bytes` have moved. Unlike Asio's own condition it does not
// cut large frames into system calls of 64 KiB.
auto Until(size_t bytes) {
  return [bytes](const std::error_code& error, size_t moved) -> size_t {
    return error || moved >= bytes ? 0 : SIZE_MAX;
  };
}

// What both ends of a connection have: the socket, and one way to end. On the I/O thread only, but
// for `stats`; kept alive by the asynchronous operations under way.
class Connection {
 public:
  Connection(asio::ip::tcp::socket socket, LinkId link, std::string peer, bool checksums)
      : socket_(std::move(socket)),
        link_(std::move(link)),
        peer_(std::move(peer)),
        checksums_(checksums) {}
  virtual ~Connection() = default;

  void Close(const absl::Status& reason) {
    if (!closed_.ok()) return;
    closed_ = reason;
    std::error_code ignored;
    socket_.close(ignored);
    FinishAll(closed_);
  }
  void Lost(const std::error_code& error) {
    const std::string why =
        error == asio::error::eof ? "it closed the connection" : error.message();
    Close(absl::UnavailableError(
        absl::StrCat("lost the peer ", peer_, " of the link of ", ToString(link_), ": ", why)));
  }
  ChannelStats stats() const { return {frames_, payload_bytes_}; }

 protected:
  virtual void FinishAll(const absl::Status& status) = 0;
  void Count(size_t payload_bytes) {
    ++frames_;
    payload_bytes_ += payload_bytes;
  }

  asio::ip::tcp::socket socket_;
  const LinkId link_;
  const std::string peer_;
  const bool checksums_;
  absl::Status closed_;

 private:
  std::atomic<uint64_t> frames_{0};
  std::atomic<uint64_t> payload_bytes_{0};
};

class Outgoing final : public Connection, public std::enable_shared_from_this<Outgoing> {
 public:
  using Connection::Connection;

  // The peer never speaks on this connection again: what comes is its end.
  void WatchForEnd() {
    socket_.async_read_some(asio::buffer(unexpected_),
                            [self = shared_from_this()](const std::error_code& error, size_t) {
                              if (error) return self->Lost(error);
                              self->Close(absl::InvalidArgumentError(absl::StrCat(
                                  "the peer ", self->peer_, " sent bytes on the link of ",
                                  ToString(self->link_), ", on which it only receives")));
                            });
  }

  void Add(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) {
    if (!closed_.ok()) return done(closed_);
    const bool was_idle = sends_.empty();
    sends_.Add(tag, payload, std::move(done));
    if (was_idle) WriteFront();
  }

 private:
  void WriteFront() {
    const auto& send = sends_.front();
    FrameHeader header{send.tag, send.bytes.size(), checksums_, 0};
    if (checksums_) header.checksum = Checksum(send.bytes);
    header_ = EncodeFrameHeader(header);
    const std::array<asio::const_buffer, 2> buffers = {
        asio::buffer(header_), asio::buffer(send.bytes.data(), send.bytes.size())};
    asio::async_write(socket_, buffers, Until(header_.size() + send.bytes.size()),
                      [self = shared_from_this()](const std::error_code& error, size_t) {
                        self->OnWritten(error);
                      });
  }

  void OnWritten(const std::error_code& error) {
    if (!closed_.ok()) return;
    if (error) return Lost(error);
    Count(sends_.front().bytes.size());
    sends_.FinishFront(absl::OkStatus());
    if (closed_.ok() && !sends_.empty()) WriteFront();
  }

  void FinishAll(const absl::Status& status) override { sends_.FinishAll(status); }

  PendingSends sends_;
  FrameHeaderBytes header_;
  std::array<std::byte, 1> unexpected_;
};

class Incoming final : public Connection, public std::enable_shared_from_this<Incoming> {
 public:
  using Connection::Connection;

  void Add(FrameTag expected, absl::Span<std::byte> into, TransferDone done) {
    if (!closed_.ok()) return done(closed_);
    const bool was_idle = receives_.empty();
    receives_.Add(expected, into, std::move(done));
    if (was_idle) ReadHeader();
  }

 private:
  void ReadHeader() {
    const size_t missing = header_bytes_.size() - header_size_;
    if (missing == 0) return OnHeader();
    asio::async_read(socket_, asio::buffer(header_bytes_) + header_size_, Until(missing),
                     [self = shared_from_this()](const std::error_code& error, size_t) {
                       if (!self->closed_.ok()) return;
                       if (error) return self->Lost(error);
                       self->OnHeader();
                     });
  }

  void OnHeader() {
    header_size_ = 0;
    const absl::StatusOr<FrameHeader> header = DecodeFrameHeader(header_bytes_);
    if (!header.ok()) {
      return Close(absl::Status(
          header.status().code(),
          absl::StrCat("on the link of ", ToString(link_), ": ", header.status().message())));
    }
    header_ = *header;
    const auto& receive = receives_.front();
    const absl::Status valid =
        CheckFrame(link_, receive.tag, receive.bytes.size(), header_.tag, header_.payload_bytes);
    if (!valid.ok()) return Close(valid);
    if (checksums_ && !header_.has_checksum) {
      return Close(absl::InvalidArgumentError(absl::StrCat(
          ToString(header_.tag), " on the link of ", ToString(link_), " came without a checksum")));
    }
    ReadPayload(receive.bytes);
  }

  // With as much of the next header as is here, which saves a small frame a system call.
  void ReadPayload(absl::Span<std::byte> into) {
    const std::array<asio::mutable_buffer, 2> buffers = {asio::buffer(into.data(), into.size()),
                                                         asio::buffer(header_bytes_)};
    asio::async_read(socket_, buffers, Until(into.size()),
                     [self = shared_from_this()](const std::error_code& error, size_t size) {
                       self->OnPayload(error, size);
                     });
  }

  void OnPayload(const std::error_code& error, size_t size) {
    if (!closed_.ok()) return;
    if (error) return Lost(error);
    const absl::Span<std::byte> bytes = receives_.front().bytes;
    header_size_ = size - bytes.size();
    if (header_.has_checksum && Checksum(bytes) != header_.checksum) {
      return Close(absl::DataLossError(absl::StrCat(ToString(header_.tag), " on the link of ",
                                                    ToString(link_),
                                                    " was damaged on its way: wrong checksum")));
    }
    Count(bytes.size());
    receives_.FinishFront(absl::OkStatus());
    if (closed_.ok() && !receives_.empty()) ReadHeader();
  }

  void FinishAll(const absl::Status& status) override { receives_.FinishAll(status); }

  PendingReceives receives_;
  FrameHeaderBytes header_bytes_;
  size_t header_size_ = 0;  // of header_bytes_ that are read
  FrameHeader header_;      // of the frame whose payload is being read
};

// The handle that a stage owns: forwards to the I/O thread, and ends the connection with it.
template <typename Base, typename Wire, typename Span>
class Handle : public Base {
 public:
  Handle(std::shared_ptr<Wire> wire, std::shared_ptr<IoThread> io)
      : wire_(std::move(wire)), io_(std::move(io)) {}
  ~Handle() override { Close(absl::CancelledError("the channel was closed at this end")); }

  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { wire_->Close(reason); });
  }
  ChannelStats stats() const override { return wire_->stats(); }

 protected:
  void Add(FrameTag tag, Span bytes, TransferDone done) {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([wire = wire_, tag, bytes, shared_done] {
      wire->Add(tag, bytes, std::move(*shared_done));
    });
  }

 private:
  const std::shared_ptr<Wire> wire_;
  const std::shared_ptr<IoThread> io_;
};

class TcpSender final : public Handle<SendChannel, Outgoing, absl::Span<const std::byte>> {
 public:
  using Handle::Handle;
  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    Add(tag, payload, std::move(done));
  }
};

class TcpReceiver final : public Handle<ReceiveChannel, Incoming, absl::Span<std::byte>> {
 public:
  using Handle::Handle;
  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    Add(expected, into, std::move(done));
  }
};

}  // namespace

std::unique_ptr<SendChannel> MakeTcpSender(asio::ip::tcp::socket socket, LinkId link,
                                           std::string peer, bool checksums,
                                           std::shared_ptr<IoThread> io) {
  auto wire =
      std::make_shared<Outgoing>(std::move(socket), std::move(link), std::move(peer), checksums);
  wire->WatchForEnd();
  return std::make_unique<TcpSender>(std::move(wire), std::move(io));
}

std::unique_ptr<ReceiveChannel> MakeTcpReceiver(asio::ip::tcp::socket socket, LinkId link,
                                                std::string peer, bool checksums,
                                                std::shared_ptr<IoThread> io) {
  auto wire =
      std::make_shared<Incoming>(std::move(socket), std::move(link), std::move(peer), checksums);
  return std::make_unique<TcpReceiver>(std::move(wire), std::move(io));
}

}  // namespace paci
