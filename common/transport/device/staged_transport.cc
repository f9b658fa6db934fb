#include "common/transport/device/staged_transport.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/transport/device/device_channel.h"
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
      : cuda_(cuda), queue_(std::move(queue)), io_(io), pool_(cuda), inner_(std::move(inner)) {}

  void Close(const absl::Status& reason) {
    if (!closed_.ok()) return;
    closed_ = reason;
    inner_->Close(reason);
    queue_->Abort(reason);
    while (!under_way_.empty()) {
      const WaitingPtr front = std::move(under_way_.front());
      under_way_.pop_front();
      Call(*front, reason);
    }
  }
  // After it no callback of the inner channel comes.
  void End() {
    Close(absl::CancelledError("closed at this end"));
    inner_.reset();
  }

  absl::Status status() const { return closed_.ok() ? inner_->status() : closed_; }
  ChannelStats stats() const { return inner_->stats(); }
  CudaApi* cuda() const { return cuda_; }

 protected:
  // A frame's way has two parts, and the parts of frames end in order: what is left when the
  // channel closes is failed in that order, too.
  struct Waiting {
    TransferDone done;
    bool is_done = false;
  };
  using WaitingPtr = std::shared_ptr<Waiting>;

  WaitingPtr Await(TransferDone done) {
    auto waiting = std::make_shared<Waiting>();
    waiting->done = std::move(done);
    under_way_.push_back(waiting);
    return waiting;
  }
  void Finish(const WaitingPtr& waiting, const absl::Status& status) {
    if (!status.ok()) return Close(status);
    if (waiting->is_done) return;
    under_way_.pop_front();
    Call(*waiting, status);
  }
  // Puts a copy on the stream, behind the mark.
  absl::Status PutCopy(const ComputeMark& mark, std::byte* to, absl::Span<const std::byte> from) {
    if (absl::Status put = queue_->WaitFor(mark); !put.ok()) return put;
    return cuda_->Copy(to, from.data(), from.size(), queue_->stream());
  }

  CudaApi* const cuda_;
  const std::shared_ptr<StreamQueue> queue_;
  IoThread* const io_;
  PinnedPool pool_;
  std::unique_ptr<Inner> inner_;  // null once the channel is gone
  std::deque<WaitingPtr> under_way_;
  absl::Status closed_;

 private:
  static void Call(Waiting& waiting, const absl::Status& status) {
    waiting.is_done = true;
    waiting.done(status);
  }
};

// Frames that are copied ahead of the one that the host's channel sends; more wait in memory of the
// device.
constexpr size_t kMostStaged = 2;

class SendEnd final : public StagedEnd<SendChannel> {
 public:
  using StagedEnd::StagedEnd;

  void Add(FrameTag tag, absl::Span<std::byte> payload, std::shared_ptr<ComputeMark> mark,
           TransferDone done) {
    if (!closed_.ok()) return done(closed_);
    frames_.push_back({std::move(mark), tag, payload, Await(std::move(done))});
    StageNext();
  }

 private:
  struct Frame {
    std::shared_ptr<ComputeMark> mark;
    FrameTag tag;
    absl::Span<const std::byte> payload;
    WaitingPtr waiting;
  };

  std::shared_ptr<SendEnd> self() { return std::static_pointer_cast<SendEnd>(shared_from_this()); }

  void StageNext() {
    while (closed_.ok() && staged_ < kMostStaged && !frames_.empty()) {
      const Frame frame = std::move(frames_.front());
      frames_.pop_front();
      ++staged_;
      if (absl::Status begun = Stage(frame); !begun.ok()) return Close(begun);
    }
  }

  absl::Status Stage(const Frame& frame) {
    const absl::StatusOr<absl::Span<std::byte>> pinned = pool_.Take(frame.payload.size());
    if (!pinned.ok()) return pinned.status();
    if (absl::Status put = PutCopy(*frame.mark, pinned->data(), frame.payload); !put.ok()) {
      return put;
    }
    queue_->WhenDone([end = self(), tag = frame.tag, waiting = frame.waiting,
                      pinned = *pinned](const absl::Status& copied) {
      if (!copied.ok()) return end->Close(copied);
      end->SendStaged(tag, pinned, waiting);
    });
    return absl::OkStatus();
  }

  void SendStaged(FrameTag tag, absl::Span<std::byte> pinned, const WaitingPtr& waiting) {
    inner_->Send(tag, pinned, [end = self(), waiting, pinned](const absl::Status& sent) {
      end->io_->Post([=] {
        end->pool_.Return(pinned);
        --end->staged_;
        end->Finish(waiting, sent);
        end->StageNext();
      });
    });
  }

  std::deque<Frame> frames_;  // not staged yet
  size_t staged_ = 0;
};

class ReceiveEnd final : public StagedEnd<ReceiveChannel> {
 public:
  using StagedEnd::StagedEnd;

  void Add(FrameTag expected, absl::Span<std::byte> into, const std::shared_ptr<ComputeMark>& mark,
           TransferDone done) {
    if (!closed_.ok()) return done(closed_);
    const WaitingPtr waiting = Await(std::move(done));
    const absl::StatusOr<absl::Span<std::byte>> pinned = pool_.Take(into.size());
    if (!pinned.ok()) return Close(pinned.status());
    inner_->Receive(
        expected, *pinned,
        [end = self(), mark, into, waiting, pinned = *pinned](const absl::Status& received) {
          end->io_->Post([=] {
            if (!end->closed_.ok()) return;
            if (!received.ok()) return end->Close(received);
            end->CopyIn(*mark, pinned, into, waiting);
          });
        });
  }

 private:
  std::shared_ptr<ReceiveEnd> self() {
    return std::static_pointer_cast<ReceiveEnd>(shared_from_this());
  }

  void CopyIn(const ComputeMark& mark, absl::Span<std::byte> pinned, absl::Span<std::byte> into,
              const WaitingPtr& waiting) {
    if (absl::Status put = PutCopy(mark, into.data(), pinned); !put.ok()) return Close(put);
    queue_->WhenDone([end = self(), waiting, pinned](const absl::Status& copied) {
      end->pool_.Return(pinned);
      end->Finish(waiting, copied);
    });
  }
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
    host_->Accept(
        link, options, deadline,
        Wrap<DeviceReceiver<ReceiveEnd>, ReceiveEnd, ReceiveChannel>(cuda_, io_, std::move(done)));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    Remember(link);
    host_->Connect(address, link, options, deadline,
                   Wrap<DeviceSender<SendEnd>, SendEnd, SendChannel>(cuda_, io_, std::move(done)));
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
