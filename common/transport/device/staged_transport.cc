#include "common/transport/device/staged_transport.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/transport/device/stream_queue.h"
#include "common/transport/io_thread.h"

namespace paci {
namespace {

// Pinned buffers of one channel, by size; as many as were ever under way at once. On the I/O thread
// only.
class PinnedPool {
 public:
  explicit PinnedPool(CudaApi* cuda) : cuda_(cuda) {}
  PinnedPool(const PinnedPool&) = delete;
  PinnedPool& operator=(const PinnedPool&) = delete;
  ~PinnedPool() {
    for (const auto& [memory, size] : all_) cuda_->FreePinned(memory);
  }

  absl::StatusOr<absl::Span<std::byte>> Take(size_t bytes) {
    std::vector<std::byte*>& free = free_[bytes];
    if (!free.empty()) {
      std::byte* const memory = free.back();
      free.pop_back();
      return absl::Span<std::byte>(memory, bytes);
    }
    // Pinned memory of no size is none.
    const absl::StatusOr<std::byte*> made = cuda_->AllocatePinned(std::max<size_t>(bytes, 1));
    if (!made.ok()) return made.status();
    all_.emplace_back(*made, bytes);
    return absl::Span<std::byte>(*made, bytes);
  }
  void Return(absl::Span<std::byte> buffer) { free_[buffer.size()].push_back(buffer.data()); }

 private:
  CudaApi* const cuda_;
  std::vector<std::pair<std::byte*, size_t>> all_;
  std::map<size_t, std::vector<std::byte*>> free_;
};

// What both ends have. On the I/O thread only; kept alive by what is under way.
template <typename Inner>
class StagedEnd : public std::enable_shared_from_this<StagedEnd<Inner>> {
 public:
  StagedEnd(CudaApi* cuda, std::shared_ptr<StreamQueue> queue, IoThread* io,
            std::unique_ptr<Inner> inner)
      : cuda(cuda), queue(std::move(queue)), io(io), pool(cuda), inner(std::move(inner)) {}

  // A frame's way has two parts, and the parts of frames end in order: what is left when the
  // channel closes is failed in that order, too.
  struct Waiting {
    TransferDone done;
    bool is_done = false;
  };
  std::shared_ptr<Waiting> Add(TransferDone done) {
    auto waiting = std::make_shared<Waiting>();
    waiting->done = std::move(done);
    under_way.push_back(waiting);
    return waiting;
  }
  void Finish(const std::shared_ptr<Waiting>& waiting, const absl::Status& status) {
    if (!status.ok()) return Close(status);
    if (waiting->is_done) return;
    under_way.pop_front();
    Call(*waiting, status);
  }
  void Close(const absl::Status& reason) {
    if (!closed.ok()) return;
    closed = reason;
    inner->Close(reason);
    queue->Abort(reason);
    while (!under_way.empty()) {
      const std::shared_ptr<Waiting> front = std::move(under_way.front());
      under_way.pop_front();
      Call(*front, reason);
    }
  }

  // After it no callback of the inner channel comes.
  void End() {
    Close(absl::CancelledError("closed at this end"));
    inner.reset();
  }

  CudaApi* const cuda;
  const std::shared_ptr<StreamQueue> queue;
  IoThread* const io;
  PinnedPool pool;
  std::unique_ptr<Inner> inner;  // null once the channel is gone
  std::deque<std::shared_ptr<Waiting>> under_way;
  absl::Status closed;

 private:
  static void Call(Waiting& waiting, const absl::Status& status) {
    waiting.is_done = true;
    waiting.done(status);
  }
};

using ReceiveEnd = StagedEnd<ReceiveChannel>;

// Frames that are copied ahead of the one that the host's channel sends; more wait in memory of the
// device.
constexpr size_t kMostStaged = 2;

class SendEnd final : public StagedEnd<SendChannel> {
 public:
  using StagedEnd::StagedEnd;

  void Send(std::shared_ptr<ComputeMark> mark, FrameTag tag, absl::Span<const std::byte> payload,
            TransferDone done) {
    frames_.push_back({std::move(mark), tag, payload, Add(std::move(done))});
    StageNext();
  }

 private:
  struct Frame {
    std::shared_ptr<ComputeMark> mark;
    FrameTag tag;
    absl::Span<const std::byte> payload;
    std::shared_ptr<Waiting> waiting;
  };

  std::shared_ptr<SendEnd> self() { return std::static_pointer_cast<SendEnd>(shared_from_this()); }

  void StageNext() {
    while (closed.ok() && staged_ < kMostStaged && !frames_.empty()) {
      const Frame frame = std::move(frames_.front());
      frames_.pop_front();
      ++staged_;
      if (absl::Status begun = Stage(frame); !begun.ok()) return Close(begun);
    }
  }

  absl::Status Stage(const Frame& frame) {
    const absl::StatusOr<absl::Span<std::byte>> pinned = pool.Take(frame.payload.size());
    absl::Status begun = pinned.status();
    if (begun.ok()) begun = queue->WaitFor(*frame.mark);
    if (begun.ok()) {
      begun = cuda->Copy(pinned->data(), frame.payload.data(), pinned->size(), queue->stream());
    }
    if (!begun.ok()) return begun;
    queue->WhenDone([end = self(), tag = frame.tag, waiting = frame.waiting,
                     pinned = *pinned](const absl::Status& copied) {
      if (!copied.ok()) return end->Close(copied);
      end->SendStaged(tag, pinned, waiting);
    });
    return absl::OkStatus();
  }

  void SendStaged(FrameTag tag, absl::Span<std::byte> pinned,
                  const std::shared_ptr<Waiting>& waiting) {
    inner->Send(tag, pinned, [end = self(), waiting, pinned](const absl::Status& sent) {
      end->io->Post([=] {
        end->pool.Return(pinned);
        --end->staged_;
        end->Finish(waiting, sent);
        end->StageNext();
      });
    });
  }

  std::deque<Frame> frames_;  // not staged yet
  size_t staged_ = 0;
};

void CopyIn(const std::shared_ptr<ReceiveEnd>& end, const ComputeMark& mark,
            absl::Span<std::byte> pinned, absl::Span<std::byte> into,
            const std::shared_ptr<ReceiveEnd::Waiting>& waiting) {
  absl::Status begun = end->queue->WaitFor(mark);
  if (begun.ok()) {
    begun = end->cuda->Copy(into.data(), pinned.data(), pinned.size(), end->queue->stream());
  }
  if (!begun.ok()) return end->Close(begun);
  end->queue->WhenDone([end, waiting, pinned](const absl::Status& copied) {
    end->pool.Return(pinned);
    end->Finish(waiting, copied);
  });
}

void Receive(const std::shared_ptr<ReceiveEnd>& end, const std::shared_ptr<ComputeMark>& mark,
             FrameTag expected, absl::Span<std::byte> into, TransferDone done) {
  if (!end->closed.ok()) return done(end->closed);
  const auto waiting = end->Add(std::move(done));
  const absl::StatusOr<absl::Span<std::byte>> pinned = end->pool.Take(into.size());
  if (!pinned.ok()) return end->Close(pinned.status());
  end->inner->Receive(expected, *pinned,
                      [end, mark, into, waiting, pinned = *pinned](const absl::Status& received) {
                        end->io->Post([=] {
                          if (!end->closed.ok()) return;
                          if (!received.ok()) return end->Close(received);
                          CopyIn(end, *mark, pinned, into, waiting);
                        });
                      });
}

class StagedSender final : public SendChannel {
 public:
  StagedSender(std::shared_ptr<SendEnd> end, std::shared_ptr<IoThread> io)
      : end_(std::move(end)), io_(std::move(io)) {}
  ~StagedSender() override {
    io_->RunAndWait([&] { end_->End(); });
  }

  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    // What computes the payload is on the compute stream now; what comes there later is not of it.
    auto mark = ComputeMark::Make(end_->cuda);
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([end = end_, mark = std::move(mark), tag, payload, shared_done] {
      if (!mark.ok()) end->Close(mark.status());
      if (!end->closed.ok()) return (*shared_done)(end->closed);
      end->Send(*mark, tag, payload, std::move(*shared_done));
    });
  }
  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { end_->Close(reason); });
  }
  ChannelStats stats() const override { return end_->inner->stats(); }
  absl::Status status() const override { return end_->inner->status(); }

 private:
  const std::shared_ptr<SendEnd> end_;
  const std::shared_ptr<IoThread> io_;
};

class StagedReceiver final : public ReceiveChannel {
 public:
  StagedReceiver(std::shared_ptr<ReceiveEnd> end, std::shared_ptr<IoThread> io)
      : end_(std::move(end)), io_(std::move(io)) {}
  ~StagedReceiver() override {
    io_->RunAndWait([&] { end_->End(); });
  }

  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    // What still reads the buffer's last content is on the compute stream now.
    auto mark = ComputeMark::Make(end_->cuda);
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([end = end_, mark = std::move(mark), expected, into, shared_done] {
      if (!mark.ok()) end->Close(mark.status());
      if (!end->closed.ok()) return (*shared_done)(end->closed);
      paci::Receive(end, *mark, expected, into, std::move(*shared_done));
    });
  }
  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { end_->Close(reason); });
  }
  ChannelStats stats() const override { return end_->inner->stats(); }
  absl::Status status() const override { return end_->inner->status(); }

 private:
  const std::shared_ptr<ReceiveEnd> end_;
  const std::shared_ptr<IoThread> io_;
};

// Makes a channel of the host's one, for `done`, which is called on the I/O thread: a channel that
// is destroyed there may wait for the host's thread.
template <typename Channel, typename End, typename Inner, typename Done>
auto Wrap(CudaApi* cuda, const std::shared_ptr<IoThread>& io, Done done) {
  auto shared_done = std::make_shared<Done>(std::move(done));
  return [cuda, io, shared_done](absl::StatusOr<std::unique_ptr<Inner>> made) {
    auto inner = std::make_shared<absl::StatusOr<std::unique_ptr<Inner>>>(std::move(made));
    io->Post([cuda, weak_io = std::weak_ptr<IoThread>(io), inner, shared_done] {
      if (!inner->ok()) return (*shared_done)(inner->status());
      auto queue = StreamQueue::Make(cuda, weak_io.lock()->context());
      if (!queue.ok()) return (*shared_done)(queue.status());
      auto end =
          std::make_shared<End>(cuda, *std::move(queue), weak_io.lock().get(), *std::move(*inner));
      (*shared_done)(std::make_unique<Channel>(std::move(end), weak_io.lock()));
    });
  };
}

class StagedTransport final : public Transport {
 public:
  StagedTransport(CudaApi* cuda, Transport* host) : cuda_(cuda), host_(host) {}
  ~StagedTransport() override {
    absl::MutexLock lock(&mutex_);
    for (const auto& [job_id, generation] : seen_) host_->Cancel(job_id, generation);
    AwaitCallbacks();
  }

  std::string address() const override { return host_->address(); }
  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    Remember(link);
    host_->Accept(link, options, deadline,
                  Wrap<StagedReceiver, ReceiveEnd, ReceiveChannel>(cuda_, io_, std::move(done)));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    Remember(link);
    host_->Connect(address, link, options, deadline,
                   Wrap<StagedSender, SendEnd, SendChannel>(cuda_, io_, std::move(done)));
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    host_->Cancel(job_id, generation);
    AwaitCallbacks();
  }

 private:
  // Of what the host has called back.
  void AwaitCallbacks() {
    io_->RunAndWait([] {});
  }

  void Remember(const LinkId& link) {
    absl::MutexLock lock(&mutex_);
    seen_.emplace(link.job_id, link.generation);
  }

  CudaApi* const cuda_;
  Transport* const host_;
  const std::shared_ptr<IoThread> io_ = std::make_shared<IoThread>();
  absl::Mutex mutex_;
  std::set<std::pair<std::string, uint64_t>> seen_ ABSL_GUARDED_BY(mutex_);  // incarnations of jobs
};

}  // namespace

std::unique_ptr<Transport> MakeStagedTransport(CudaApi* cuda, Transport* host) {
  return std::make_unique<StagedTransport>(cuda, host);
}

}  // namespace paci
