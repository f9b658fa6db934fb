#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "common/transport/channel.h"

namespace paci {

// Transfers of one end that wait for their turn, oldest first. Not thread-safe.
template <typename Span>
class PendingTransfers {
 public:
  struct Transfer {
    FrameTag tag;
    Span bytes;
    TransferDone done;
  };

  void Add(FrameTag tag, Span bytes, TransferDone done) {
    queue_.push_back({tag, bytes, std::move(done)});
  }
  bool empty() const { return queue_.empty(); }
  Transfer& front() { return queue_.front(); }
  Transfer TakeFront() {
    Transfer transfer = std::move(queue_.front());
    queue_.pop_front();
    return transfer;
  }
  // The oldest leaves the queue before its callback runs, which may add another.
  void FinishFront(const absl::Status& status) { TakeFront().done(status); }
  void FinishAll(const absl::Status& status) {
    while (!queue_.empty()) FinishFront(status);
  }

 private:
  std::deque<Transfer> queue_;
};

using PendingSends = PendingTransfers<absl::Span<const std::byte>>;
using PendingReceives = PendingTransfers<absl::Span<std::byte>>;

}  // namespace paci
