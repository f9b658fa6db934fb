#include "common/transport/tcp/tcp_channel.h"

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/read.hpp>
#include <asio/ssl/error.hpp>
#include <asio/write.hpp>
#include <atomic>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checksum/checksum.h"
#include "common/transport/pending.h"
#include "common/transport/tcp/tls.h"
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

// Payloads with a checksum move in pieces of this size.
constexpr size_t kPieceBytes = 256 << 10;

// An operation of TLS may still encrypt from its buffers, or decrypt into them, after the
// connection was closed and its owner's memory is gone: what moves goes through memory of the
// connection.
template <typename Stream>
constexpr bool kIsStaged = std::is_same_v<Stream, TlsStream>;

// What both ends of a connection have: the socket, and one way to end. On the I/O thread only, but
// for `stats`; kept alive by the asynchronous operations under way.
template <typename Stream>
class Connection {
 public:
  Connection(Stream stream, LinkId link, std::string peer, bool checksums)
      : stream_(std::move(stream)),
        link_(std::move(link)),
        peer_(std::move(peer)),
        checksums_(checksums) {}
  virtual ~Connection() = default;

  void Close(const absl::Status& reason) {
    if (!closed_.ok()) return;
    closed_ = reason;
    std::error_code ignored;
    stream_.lowest_layer().close(ignored);
    FinishAll(closed_);
  }
  void Lost(const std::error_code& error) {
    const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
    const std::string why = is_end ? "it closed the connection" : error.message();
    Close(absl::UnavailableError(
        absl::StrCat("lost the peer ", peer_, " of the link of ", ToString(link_), ": ", why)));
  }
  ChannelStats stats() const { return {frames_, payload_bytes_}; }
  const absl::Status& closed() const { return closed_; }

 protected:
  virtual void FinishAll(const absl::Status& status) = 0;
  void Count(size_t payload_bytes) {
    ++frames_;
    payload_bytes_ += payload_bytes;
  }

  Stream stream_;
  const LinkId link_;
  const std::string peer_;
  const bool checksums_;
  absl::Status closed_;

 private:
  std::atomic<uint64_t> frames_{0};
  std::atomic<uint64_t> payload_bytes_{0};
};

template <typename Stream>
class Outgoing final : public Connection<Stream>,
                       public std::enable_shared_from_this<Outgoing<Stream>> {
  using Base = Connection<Stream>;
  using Base::checksums_, Base::closed_, Base::link_, Base::peer_, Base::stream_;

 public:
  using Base::Base, Base::Close, Base::Lost;

  // The peer never speaks on this connection again: what comes is its end.
  void WatchForEnd() {
    stream_.async_read_some(asio::buffer(unexpected_), [self = this->shared_from_this()](
                                                           const std::error_code& error, size_t) {
      if (error) return self->Lost(error);
      self->Close(absl::InvalidArgumentError(
          absl::StrCat("the peer ", self->peer_, " sent bytes on the link of ",
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
    header_ = EncodeFrameHeader({send.tag, send.bytes.size(), checksums_});
    checksum_.Restart();
    WritePiece(0);
  }

  // The peer reads one piece while this end sums up the next.
  void WritePiece(size_t begin) {
    const absl::Span<const std::byte> bytes = sends_.front().bytes;
    const absl::Span<const std::byte> piece =
        bytes.subspan(begin, checksums_ || kIsStaged<Stream> ? kPieceBytes : bytes.size());
    const size_t end = begin + piece.size();
    const bool is_last = end == bytes.size();
    if (checksums_) {
      checksum_.Add(piece);
      if (is_last) trailer_ = EncodeFrameTrailer(checksum_.Value());
    }
    const std::array<asio::const_buffer, 3> parts = {
        asio::buffer(header_, begin == 0 ? header_.size() : 0),
        asio::buffer(piece.data(), piece.size()),
        asio::buffer(trailer_, checksums_ && is_last ? trailer_.size() : 0)};
    if constexpr (kIsStaged<Stream>) {
      staged_.resize(asio::buffer_size(parts));
      asio::buffer_copy(asio::buffer(staged_), parts);
      Write(asio::buffer(staged_), end, is_last);
    } else {
      Write(parts, end, is_last);
    }
  }

  template <typename Buffers>
  void Write(const Buffers& buffers, size_t end, bool is_last) {
    asio::async_write(
        stream_, buffers, Until(asio::buffer_size(buffers)),
        [self = this->shared_from_this(), end, is_last](const std::error_code& error, size_t) {
          if (!self->closed_.ok()) return;
          if (error) return self->Lost(error);
          is_last ? self->OnWritten() : self->WritePiece(end);
        });
  }

  void OnWritten() {
    this->Count(sends_.front().bytes.size());
    sends_.FinishFront(absl::OkStatus());
    if (closed_.ok() && !sends_.empty()) WriteFront();
  }

  void FinishAll(const absl::Status& status) override { sends_.FinishAll(status); }

  PendingSends sends_;
  FrameHeaderBytes header_;
  FrameTrailerBytes trailer_;
  Checksum checksum_;  // of the frame that is being written
  std::vector<std::byte> staged_;
  std::array<std::byte, 1> unexpected_;
};

template <typename Stream>
class Incoming final : public Connection<Stream>,
                       public std::enable_shared_from_this<Incoming<Stream>> {
  using Base = Connection<Stream>;
  using Base::checksums_, Base::closed_, Base::link_, Base::stream_;

 public:
  using Base::Base, Base::Close, Base::Lost;

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
    asio::async_read(stream_, asio::buffer(header_bytes_) + header_size_, Until(missing),
                     [self = this->shared_from_this()](const std::error_code& error, size_t) {
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
    checksum_.Restart();
    payload_size_ = 0;
    tail_size_ = 0;
    OnPayload();
  }

  size_t trailer_bytes() const { return header_.has_checksum ? kFrameTrailerBytes : 0; }

  // As it comes, so that a piece is summed up while the next is on its way; at the end with as much
  // of what follows as is here, which saves a small frame a system call.
  void ReadPayload() {
    const absl::Span<std::byte> into = receives_.front().bytes.subspan(
        payload_size_, header_.has_checksum ? kPieceBytes : absl::Span<std::byte>::npos);
    const bool is_last = payload_size_ + into.size() == receives_.front().bytes.size();
    const std::array<asio::mutable_buffer, 2> parts = {
        asio::buffer(into.data(), into.size()),
        is_last ? asio::buffer(tail_, trailer_bytes() + kFrameHeaderBytes) + tail_size_
                : asio::mutable_buffer()};
    if constexpr (kIsStaged<Stream>) {
      staged_.resize(std::min(asio::buffer_size(parts), kPieceBytes));
      Read(asio::buffer(staged_), into,
           [this, parts](size_t size) { asio::buffer_copy(parts, asio::buffer(staged_, size)); });
    } else {
      Read(parts, into, [](size_t) {});
    }
  }

  template <typename Buffers, typename Unstage>
  void Read(const Buffers& buffers, absl::Span<std::byte> into, Unstage unstage) {
    stream_.async_read_some(buffers, [self = this->shared_from_this(), into, unstage](
                                         const std::error_code& error, size_t size) {
      if (!self->closed_.ok()) return;
      if (error) return self->Lost(error);
      unstage(size);
      const size_t payload = std::min(size, into.size());
      if (self->header_.has_checksum) self->checksum_.Add(into.first(payload));
      self->payload_size_ += payload;
      self->tail_size_ += size - payload;
      self->OnPayload();
    });
  }

  void OnPayload() {
    if (payload_size_ < receives_.front().bytes.size() || tail_size_ < trailer_bytes()) {
      return ReadPayload();
    }
    FrameTrailerBytes sent;
    std::copy_n(tail_.begin(), sent.size(), sent.begin());
    if (header_.has_checksum && checksum_.Value() != DecodeFrameTrailer(sent)) {
      return Close(absl::DataLossError(absl::StrCat(ToString(header_.tag), " on the link of ",
                                                    ToString(link_),
                                                    " was damaged on its way: wrong checksum")));
    }
    header_size_ = tail_size_ - trailer_bytes();
    std::copy_n(tail_.begin() + trailer_bytes(), header_size_, header_bytes_.begin());
    this->Count(payload_size_);
    receives_.FinishFront(absl::OkStatus());
    if (closed_.ok() && !receives_.empty()) ReadHeader();
  }

  void FinishAll(const absl::Status& status) override { receives_.FinishAll(status); }

  PendingReceives receives_;
  std::vector<std::byte> staged_;
  FrameHeaderBytes header_bytes_;
  size_t header_size_ = 0;  // of header_bytes_ that are read

  // Of the frame that is being read:
  FrameHeader header_;
  Checksum checksum_;
  size_t payload_size_ = 0;  // of its payload that are read
  std::array<std::byte, kFrameTrailerBytes + kFrameHeaderBytes> tail_;  // what follows the payload
  size_t tail_size_ = 0;                                                // of tail_ that are read
};

// The handle that a stage owns: forwards to the I/O thread, and ends the connection with it.
template <typename Base, typename Wire, typename Span>
class Handle : public Base {
 public:
  Handle(std::shared_ptr<Wire> wire, std::shared_ptr<IoThread> io)
      : io_(std::move(io)), wire_(std::move(wire)) {}
  ~Handle() override { Close(absl::CancelledError("the channel was closed at this end")); }

  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { wire_->Close(reason); });
  }
  ChannelStats stats() const override { return wire_->stats(); }
  absl::Status status() const override {
    absl::Status status;
    io_->RunAndWait([&] { status = wire_->closed(); });
    return status;
  }

 protected:
  void Add(FrameTag tag, Span bytes, TransferDone done) {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([wire = wire_, tag, bytes, shared_done] {
      wire->Add(tag, bytes, std::move(*shared_done));
    });
  }

 private:
  // First: the wire's socket and timers are of its context.
  const std::shared_ptr<IoThread> io_;
  const std::shared_ptr<Wire> wire_;
};

template <typename Stream>
class TcpSender final : public Handle<SendChannel, Outgoing<Stream>, absl::Span<const std::byte>> {
 public:
  using Handle<SendChannel, Outgoing<Stream>, absl::Span<const std::byte>>::Handle;
  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    this->Add(tag, payload, std::move(done));
  }
};

template <typename Stream>
class TcpReceiver final : public Handle<ReceiveChannel, Incoming<Stream>, absl::Span<std::byte>> {
 public:
  using Handle<ReceiveChannel, Incoming<Stream>, absl::Span<std::byte>>::Handle;
  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    this->Add(expected, into, std::move(done));
  }
};

}  // namespace

template <typename Stream>
std::unique_ptr<SendChannel> MakeTcpSender(Stream stream, LinkId link, std::string peer,
                                           bool checksums, std::shared_ptr<IoThread> io) {
  auto wire = std::make_shared<Outgoing<Stream>>(std::move(stream), std::move(link),
                                                 std::move(peer), checksums);
  wire->WatchForEnd();
  return std::make_unique<TcpSender<Stream>>(std::move(wire), std::move(io));
}

template <typename Stream>
std::unique_ptr<ReceiveChannel> MakeTcpReceiver(Stream stream, LinkId link, std::string peer,
                                                bool checksums, std::shared_ptr<IoThread> io) {
  auto wire = std::make_shared<Incoming<Stream>>(std::move(stream), std::move(link),
                                                 std::move(peer), checksums);
  return std::make_unique<TcpReceiver<Stream>>(std::move(wire), std::move(io));
}

template std::unique_ptr<SendChannel> MakeTcpSender(asio::ip::tcp::socket, LinkId, std::string,
                                                    bool, std::shared_ptr<IoThread>);
template std::unique_ptr<SendChannel> MakeTcpSender(TlsStream, LinkId, std::string, bool,
                                                    std::shared_ptr<IoThread>);
template std::unique_ptr<ReceiveChannel> MakeTcpReceiver(asio::ip::tcp::socket, LinkId, std::string,
                                                         bool, std::shared_ptr<IoThread>);
template std::unique_ptr<ReceiveChannel> MakeTcpReceiver(TlsStream, LinkId, std::string, bool,
                                                         std::shared_ptr<IoThread>);

}  // namespace paci
