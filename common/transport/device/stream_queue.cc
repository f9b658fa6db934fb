#include "common/transport/device/stream_queue.h"

#include <chrono>
#include <utility>

namespace paci {
namespace {

constexpr std::chrono::microseconds kPollInterval(50);

}  // namespace

absl::StatusOr<std::shared_ptr<ComputeMark>> ComputeMark::Make(CudaApi* cuda) {
  const absl::StatusOr<CudaEvent> event = cuda->CreateEvent();
  if (!event.ok()) return event.status();
  auto mark = std::make_shared<ComputeMark>(cuda, *event);
  if (absl::Status put = cuda->Record(*event, kComputeStream); !put.ok()) return put;
  return mark;
}

absl::StatusOr<std::shared_ptr<StreamQueue>> StreamQueue::Make(CudaApi* cuda,
                                                               asio::io_context& io) {
  const absl::StatusOr<CudaStream> stream = cuda->CreateStream();
  if (!stream.ok()) return stream.status();
  return std::make_shared<StreamQueue>(cuda, io, *stream);
}

void StreamQueue::WhenDone(TransferDone done) {
  const absl::StatusOr<CudaEvent> event = cuda_->CreateEvent();
  if (!event.ok()) return done(event.status());
  if (absl::Status put = cuda_->Record(*event, stream_); !put.ok()) {
    cuda_->DestroyEvent(*event);
    return done(put);
  }
  const bool was_idle = pending_.empty();
  pending_.push_back({*event, std::move(done)});
  if (was_idle) Poll();
}

void StreamQueue::Poll() {
  while (!pending_.empty()) {
    const absl::StatusOr<bool> has_passed = cuda_->HasPassed(pending_.front().event);
    if (has_passed.ok() && !*has_passed) break;
    FinishFront(has_passed.status());
  }
  if (pending_.empty()) return;
  timer_.expires_after(kPollInterval);
  timer_.async_wait([self = shared_from_this()](const std::error_code& error) {
    if (!error) self->Poll();
  });
}

void StreamQueue::FinishFront(const absl::Status& status) {
  Pending front = std::move(pending_.front());
  pending_.pop_front();
  cuda_->DestroyEvent(front.event);
  front.done(status);
}

void StreamQueue::Abort(const absl::Status& reason) {
  timer_.cancel();
  // Whose memory it still writes to or reads from may be gone after the callbacks.
  (void)cuda_->Synchronize(stream_);
  while (!pending_.empty()) FinishFront(reason);
}

}  // namespace paci
