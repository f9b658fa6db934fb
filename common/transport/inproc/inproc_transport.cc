#include "common/transport/inproc/inproc_transport.h"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstring>
#include <list>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/transport/io_thread.h"
#include "common/transport/pending.h"

namespace paci {
namespace {

// Both ends of one channel. On the I/O thread only, but for the counts.
struct Pipe {
  Pipe(LinkId link, std::string sender, std::string receiver)
      : link(std::move(link)), sender(std::move(sender)), receiver(std::move(receiver)) {}

  const LinkId link;
  const std::string sender;  // addresses
  const std::string receiver;
  PendingSends sends;
  PendingReceives receives;
  absl::Status sender_closed;  // why, once it is
  absl::Status receiver_closed;
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> payload_bytes{0};

  void CloseSender(const absl::Status& reason) {
    if (!sender_closed.ok()) return;
    Close(reason, Lost(sender));
  }
  void CloseReceiver(const absl::Status& reason) {
    if (!receiver_closed.ok()) return;
    Close(Lost(receiver), reason);
  }

  void Match() {
    while (!sends.empty() && !receives.empty()) {
      const absl::Status valid =
          CheckFrame(link, receives.front().tag, receives.front().bytes.size(), sends.front().tag,
                     sends.front().bytes.size());
      if (!valid.ok()) return CloseReceiver(valid);
      auto send = sends.TakeFront();
      auto receive = receives.TakeFront();
      if (!send.bytes.empty()) {
        std::memcpy(receive.bytes.data(), send.bytes.data(), send.bytes.size());
      }
      ++frames;
      payload_bytes += send.bytes.size();
      send.done(absl::OkStatus());
      receive.done(absl::OkStatus());
    }
  }

 private:
  absl::Status Lost(const std::string& peer) const {
    return absl::UnavailableError(absl::StrCat("lost the peer ", peer, " of the link of ",
                                               ToString(link), ": it closed the channel"));
  }
  void Close(const absl::Status& at_sender, const absl::Status& at_receiver) {
    if (sender_closed.ok()) sender_closed = at_sender;
    if (receiver_closed.ok()) receiver_closed = at_receiver;
    sends.FinishAll(sender_closed);
    receives.FinishAll(receiver_closed);
  }
};

class InprocSender final : public SendChannel {
 public:
  InprocSender(std::shared_ptr<Pipe> pipe, std::shared_ptr<IoThread> io)
      : pipe_(std::move(pipe)), io_(std::move(io)) {}
  ~InprocSender() override { InprocSender::Close(absl::CancelledError("closed at this end")); }

  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([pipe = pipe_, tag, payload, shared_done] {
      if (!pipe->sender_closed.ok()) return (*shared_done)(pipe->sender_closed);
      pipe->sends.Add(tag, payload, std::move(*shared_done));
      pipe->Match();
    });
  }
  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { pipe_->CloseSender(reason); });
  }
  ChannelStats stats() const override { return {pipe_->frames, pipe_->payload_bytes}; }
  absl::Status status() const override {
    absl::Status status;
    io_->RunAndWait([&] { status = pipe_->sender_closed; });
    return status;
  }

 private:
  const std::shared_ptr<Pipe> pipe_;
  const std::shared_ptr<IoThread> io_;
};

class InprocReceiver final : public ReceiveChannel {
 public:
  InprocReceiver(std::shared_ptr<Pipe> pipe, std::shared_ptr<IoThread> io)
      : pipe_(std::move(pipe)), io_(std::move(io)) {}
  ~InprocReceiver() override { InprocReceiver::Close(absl::CancelledError("closed at this end")); }

  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([pipe = pipe_, expected, into, shared_done] {
      if (!pipe->receiver_closed.ok()) return (*shared_done)(pipe->receiver_closed);
      pipe->receives.Add(expected, into, std::move(*shared_done));
      pipe->Match();
    });
  }
  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { pipe_->CloseReceiver(reason); });
  }
  ChannelStats stats() const override { return {pipe_->frames, pipe_->payload_bytes}; }
  absl::Status status() const override {
    absl::Status status;
    io_->RunAndWait([&] { status = pipe_->receiver_closed; });
    return status;
  }

 private:
  const std::shared_ptr<Pipe> pipe_;
  const std::shared_ptr<IoThread> io_;
};

// A side of a link that waits for the other. On the I/O thread only.
template <typename Done>
struct Waiting {
  Waiting(std::string owner, std::string accepting_at, LinkId link, LinkOptions options, Done done,
          asio::io_context& context)
      : owner(std::move(owner)),
        accepting_at(std::move(accepting_at)),
        link(std::move(link)),
        options(std::move(options)),
        done(std::move(done)),
        deadline(context) {}

  const std::string owner;         // address of the transport that waits
  const std::string accepting_at;  // address of the one that accepts
  const LinkId link;
  const LinkOptions options;
  Done done;  // emptied when it is called
  asio::steady_timer deadline;

  template <typename Result>
  void Finish(Result result) {
    deadline.cancel();
    std::exchange(done, nullptr)(std::move(result));
  }
};

using Accepting = Waiting<Transport::OnReceiveChannel>;
using Dialling = Waiting<Transport::OnSendChannel>;
template <typename Side>
using Sides = std::list<std::shared_ptr<Side>>;

template <typename Side, typename Other>
auto FindPartner(Sides<Side>& sides, const Other& other) {
  return std::find_if(sides.begin(), sides.end(), [&](const std::shared_ptr<Side>& side) {
    return side->link == other.link && side->accepting_at == other.accepting_at;
  });
}

}  // namespace

// What waits is touched on its I/O thread only. A transport cancels its own before it is gone.
class InprocHub {
 public:
  const std::shared_ptr<IoThread>& io() const { return io_; }
  std::string NextAddress() { return absl::StrCat("inproc:", ++addresses_); }

  void Accept(const std::shared_ptr<Accepting>& accepting, absl::Time deadline) {
    if (FindPartner(accepting_, *accepting) != accepting_.end()) {
      return accepting->Finish(absl::AlreadyExistsError(
          absl::StrCat("the link of ", ToString(accepting->link), " is awaited already")));
    }
    Await(accepting_, accepting, deadline);
    const auto dialling = FindPartner(dialling_, *accepting);
    if (dialling != dialling_.end()) Meet(std::shared_ptr<Dialling>(*dialling), accepting);
  }

  void Dial(const std::shared_ptr<Dialling>& dialling, absl::Time deadline) {
    Await(dialling_, dialling, deadline);
    const auto accepting = FindPartner(accepting_, *dialling);
    if (accepting != accepting_.end()) Meet(dialling, std::shared_ptr<Accepting>(*accepting));
  }

  template <typename Matches>
  void Cancel(const Matches& matches) {
    CancelIn(accepting_, matches);
    CancelIn(dialling_, matches);
  }

 private:
  template <typename Side>
  void Await(Sides<Side>& sides, const std::shared_ptr<Side>& side, absl::Time deadline) {
    sides.push_back(side);
    side->deadline.expires_after(absl::ToChronoNanoseconds(deadline - absl::Now()));
    side->deadline.async_wait([&sides, side](const std::error_code& cancelled) {
      // Without `done` the hub may be gone as well.
      if (cancelled || side->done == nullptr) return;
      sides.remove(side);
      side->Finish(absl::DeadlineExceededError(
          absl::StrCat("no neighbour came for the link of ", ToString(side->link))));
    });
  }

  void Meet(const std::shared_ptr<Dialling>& dialling,
            const std::shared_ptr<Accepting>& accepting) {
    dialling_.remove(dialling);
    if (dialling->options.secret != accepting->options.secret) {
      return dialling->Finish(absl::PermissionDeniedError(
          absl::StrCat("the peer knows another secret for ", ToString(dialling->link))));
    }
    accepting_.remove(accepting);
    auto pipe = std::make_shared<Pipe>(dialling->link, dialling->owner, accepting->owner);
    accepting->Finish(std::unique_ptr<ReceiveChannel>(new InprocReceiver(pipe, io_)));
    dialling->Finish(std::unique_ptr<SendChannel>(new InprocSender(pipe, io_)));
  }

  template <typename Side, typename Matches>
  static void CancelIn(Sides<Side>& sides, const Matches& matches) {
    Sides<Side> cancelled;
    for (auto it = sides.begin(); it != sides.end();) {
      const auto side = it++;
      if (matches(**side)) cancelled.splice(cancelled.end(), sides, side);
    }
    for (const auto& side : cancelled) {
      side->Finish(absl::CancelledError(absl::StrCat("cancelled: ", ToString(side->link))));
    }
  }

  const std::shared_ptr<IoThread> io_ = std::make_shared<IoThread>();
  std::atomic<int> addresses_{0};
  Sides<Accepting> accepting_;
  Sides<Dialling> dialling_;
};

namespace {

class InprocTransport final : public Transport {
 public:
  explicit InprocTransport(std::shared_ptr<InprocHub> hub)
      : hub_(std::move(hub)), address_(hub_->NextAddress()) {}
  ~InprocTransport() override {
    CancelOwn([](const LinkId&) { return true; });
  }

  std::string address() const override { return address_; }

  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    auto accepting = std::make_shared<Accepting>(address_, address_, link, options, std::move(done),
                                                 hub_->io()->context());
    hub_->io()->Post([hub = hub_.get(), accepting, deadline] { hub->Accept(accepting, deadline); });
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    auto dialling = std::make_shared<Dialling>(address_, address, link, options, std::move(done),
                                               hub_->io()->context());
    hub_->io()->Post([hub = hub_.get(), dialling, deadline] { hub->Dial(dialling, deadline); });
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    CancelOwn(
        [&](const LinkId& link) { return link.job_id == job_id && link.generation == generation; });
  }

 private:
  template <typename Matches>
  void CancelOwn(const Matches& matches) {
    hub_->io()->RunAndWait([&] {
      hub_->Cancel([&](const auto& side) { return side.owner == address_ && matches(side.link); });
    });
  }

  const std::shared_ptr<InprocHub> hub_;
  const std::string address_;
};

}  // namespace

std::shared_ptr<InprocHub> MakeInprocHub() { return std::make_shared<InprocHub>(); }

std::unique_ptr<Transport> MakeInprocTransport(std::shared_ptr<InprocHub> hub) {
  return std::make_unique<InprocTransport>(std::move(hub));
}

}  // namespace paci
