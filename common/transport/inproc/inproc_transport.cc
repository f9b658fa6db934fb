#include "common/transport/inproc/inproc_transport.h"

#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/transport/io_thread.h"
#include "common/transport/pending.h"

namespace paci {
namespace {

// Both ends of one channel. On the I/O thread only, but for `stats`.
struct Pipe {
  LinkId link;
  PendingSends sends;
  PendingReceives receives;
  absl::Status closed;  // why, once it is
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> payload_bytes{0};

  void Close(const absl::Status& reason) {
    if (closed.ok()) closed = reason;
    sends.FinishAll(closed);
    receives.FinishAll(closed);
  }

  void Match() {
    while (closed.ok() && !sends.empty() && !receives.empty()) {
      auto& send = sends.front();
      auto& receive = receives.front();
      const absl::Status valid =
          CheckFrame(link, receive.tag, receive.bytes.size(), send.tag, send.bytes.size());
      if (!valid.ok()) return Close(valid);
      if (!send.bytes.empty()) {
        std::memcpy(receive.bytes.data(), send.bytes.data(), send.bytes.size());
      }
      ++frames;
      payload_bytes += send.bytes.size();
      sends.FinishFront(absl::OkStatus());
      receives.FinishFront(absl::OkStatus());
    }
  }
};

// What both ends share: the pipe, its thread, and how it ends.
class End {
 public:
  End(std::shared_ptr<Pipe> pipe, std::shared_ptr<IoThread> io)
      : pipe_(std::move(pipe)), io_(std::move(io)) {}
  ~End() {
    const absl::Status gone = absl::UnavailableError(
        absl::StrCat("the other end of the link of ", ToString(pipe_->link), " is gone"));
    io_->RunAndWait([&] { pipe_->Close(gone); });
  }

  template <typename Pending, typename Span>
  void Add(Pending Pipe::*pending, FrameTag tag, Span bytes, TransferDone done) {
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([pipe = pipe_, pending, tag, bytes, shared_done] {
      if (!pipe->closed.ok()) return (*shared_done)(pipe->closed);
      ((*pipe).*pending).Add(tag, bytes, std::move(*shared_done));
      pipe->Match();
    });
  }
  void Close(const absl::Status& reason) {
    io_->RunAndWait([&] { pipe_->Close(reason); });
  }
  ChannelStats stats() const { return {pipe_->frames, pipe_->payload_bytes}; }

 private:
  const std::shared_ptr<Pipe> pipe_;
  const std::shared_ptr<IoThread> io_;
};

class InprocSender final : public SendChannel {
 public:
  InprocSender(std::shared_ptr<Pipe> pipe, std::shared_ptr<IoThread> io)
      : end_(std::move(pipe), std::move(io)) {}
  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    end_.Add(&Pipe::sends, tag, payload, std::move(done));
  }
  void Close(absl::Status reason) override { end_.Close(reason); }
  ChannelStats stats() const override { return end_.stats(); }

 private:
  End end_;
};

class InprocReceiver final : public ReceiveChannel {
 public:
  InprocReceiver(std::shared_ptr<Pipe> pipe, std::shared_ptr<IoThread> io)
      : end_(std::move(pipe), std::move(io)) {}
  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    end_.Add(&Pipe::receives, expected, into, std::move(done));
  }
  void Close(absl::Status reason) override { end_.Close(reason); }
  ChannelStats stats() const override { return end_.stats(); }

 private:
  End end_;
};

using LinkKey = std::tuple<std::string, uint64_t, uint32_t, uint32_t>;
LinkKey KeyOf(const LinkId& link) {
  return {link.job_id, link.generation, link.from_stage, link.to_stage};
}

// A side of a link that waits for the other. `done` is emptied when it has been called.
template <typename Done>
struct Waiting {
  Waiting(const LinkId& link, LinkOptions options, Done done, asio::io_context& context)
      : link(link), options(std::move(options)), done(std::move(done)), deadline(context) {}

  LinkId link;
  LinkOptions options;
  Done done;
  asio::steady_timer deadline;

  void Fail(const absl::Status& status) {
    deadline.cancel();
    std::exchange(done, nullptr)(status);
  }
};

}  // namespace

// Its state is touched on its I/O thread only.
class InprocHub {
 public:
  using Accepting = Waiting<Transport::OnReceiveChannel>;
  using Dialling = Waiting<Transport::OnSendChannel>;

  const std::shared_ptr<IoThread>& io() const { return io_; }
  int NextAddress() { return ++addresses_; }

  template <typename Side>
  void Add(std::map<LinkKey, std::shared_ptr<Side>> InprocHub::*sides, std::shared_ptr<Side> side,
           absl::Time deadline) {
    const LinkKey key = KeyOf(side->link);
    (this->*sides)[key] = side;
    side->deadline.expires_after(absl::ToChronoNanoseconds(deadline - absl::Now()));
    side->deadline.async_wait([this, sides, side, key](const std::error_code& error) {
      if (error || side->done == nullptr) return;
      (this->*sides).erase(key);
      side->Fail(absl::DeadlineExceededError(
          absl::StrCat("no neighbour came for the link of ", ToString(side->link))));
    });
    Meet(key);
  }

  void Cancel(const std::string& job_id, uint64_t generation) {
    CancelIn(accepting_, job_id, generation);
    CancelIn(dialling_, job_id, generation);
  }

 private:
  void Meet(const LinkKey& key) {
    const auto accepting = accepting_.find(key);
    const auto dialling = dialling_.find(key);
    if (accepting == accepting_.end() || dialling == dialling_.end()) return;
    const std::shared_ptr<Dialling> dial = dialling->second;
    dialling_.erase(dialling);
    if (dial->options.secret != accepting->second->options.secret) {
      return dial->Fail(absl::PermissionDeniedError(
          absl::StrCat("the peer knows another secret for ", ToString(dial->link))));
    }
    const std::shared_ptr<Accepting> accept = accepting->second;
    accepting_.erase(accepting);
    dial->deadline.cancel();
    accept->deadline.cancel();
    auto pipe = std::make_shared<Pipe>();
    pipe->link = dial->link;
    std::exchange(accept->done, nullptr)(std::make_unique<InprocReceiver>(pipe, io_));
    std::exchange(dial->done, nullptr)(std::make_unique<InprocSender>(pipe, io_));
  }

  template <typename Sides>
  static void CancelIn(Sides& sides, const std::string& job_id, uint64_t generation) {
    for (auto it = sides.begin(); it != sides.end();) {
      const auto side = it->second;
      if (side->link.job_id != job_id || side->link.generation != generation) {
        ++it;
        continue;
      }
      it = sides.erase(it);
      side->Fail(absl::CancelledError(absl::StrCat("cancelled: ", ToString(side->link))));
    }
  }

  const std::shared_ptr<IoThread> io_ = std::make_shared<IoThread>();
  std::atomic<int> addresses_{0};

 public:
  // After the thread whose timers they hold, so that they end before it.
  std::map<LinkKey, std::shared_ptr<Accepting>> accepting_;
  std::map<LinkKey, std::shared_ptr<Dialling>> dialling_;
};

namespace {

class InprocTransport final : public Transport {
 public:
  explicit InprocTransport(std::shared_ptr<InprocHub> hub)
      : hub_(std::move(hub)), address_(absl::StrCat("inproc:", hub_->NextAddress())) {}

  std::string address() const override { return address_; }

  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    Add(&InprocHub::accepting_,
        std::make_shared<InprocHub::Accepting>(link, options, std::move(done),
                                               hub_->io()->context()),
        deadline);
  }
  void Connect(const std::string&, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    Add(&InprocHub::dialling_,
        std::make_shared<InprocHub::Dialling>(link, options, std::move(done),
                                              hub_->io()->context()),
        deadline);
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    hub_->io()->RunAndWait([&] { hub_->Cancel(job_id, generation); });
  }

 private:
  template <typename Sides, typename Side>
  void Add(Sides sides, std::shared_ptr<Side> side, absl::Time deadline) {
    hub_->io()->Post(
        [hub = hub_.get(), sides, side, deadline] { hub->Add(sides, side, deadline); });
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
