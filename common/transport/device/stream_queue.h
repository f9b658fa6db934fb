#pragma once

// common/transport/device: what channels over memory of a GPU share, and the one that moves it
// through memory of the host.

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <deque>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/gpu/cuda_api.h"
#include "common/transport/channel.h"

namespace paci {

// All that the stage had put on its compute stream when this was made.
class ComputeMark {
 public:
  static absl::StatusOr<std::shared_ptr<ComputeMark>> Make(CudaApi* cuda);
  ComputeMark(CudaApi* cuda, CudaEvent event) : cuda_(cuda), event_(event) {}
  ComputeMark(const ComputeMark&) = delete;
  ComputeMark& operator=(const ComputeMark&) = delete;
  ~ComputeMark() { cuda_->DestroyEvent(event_); }

  CudaEvent event() const { return event_; }

 private:
  CudaApi* const cuda_;
  const CudaEvent event_;
};

// A stream of one channel's own, so that no transfer waits for compute that it does not need, and
// what of it is done. The device says nothing by itself: it is asked every 50 us while something is
// under way. On the I/O thread only.
class StreamQueue : public std::enable_shared_from_this<StreamQueue> {
 public:
  // `cuda` outlives it; `io` is run by the I/O thread.
  static absl::StatusOr<std::shared_ptr<StreamQueue>> Make(CudaApi* cuda, asio::io_context& io);
  StreamQueue(CudaApi* cuda, asio::io_context& io, CudaStream stream)
      : cuda_(cuda), stream_(stream), timer_(io) {}
  StreamQueue(const StreamQueue&) = delete;
  StreamQueue& operator=(const StreamQueue&) = delete;
  ~StreamQueue() { cuda_->DestroyStream(stream_); }

  CudaStream stream() const { return stream_; }
  absl::Status WaitFor(const ComputeMark& mark) { return cuda_->MakeWait(stream_, mark.event()); }
  // Calls `done` once all that is on the stream now is done, in the order of the calls.
  void WhenDone(TransferDone done);
  // Waits until the stream is idle, which it must become by itself; then every `done` that is left
  // gets `reason`.
  void Abort(const absl::Status& reason);

 private:
  void Poll();
  void FinishFront(const absl::Status& status);

  struct Pending {
    CudaEvent event;
    TransferDone done;
  };

  CudaApi* const cuda_;
  const CudaStream stream_;
  asio::steady_timer timer_;
  std::deque<Pending> pending_;
};

}  // namespace paci
