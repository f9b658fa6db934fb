#pragma once

#include <asio/steady_timer.hpp>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <type_traits>

#include "common/gpu/nccl_api.h"
#include "common/transport/channel.h"
#include "common/transport/device/stream_queue.h"
#include "common/transport/io_thread.h"
#include "common/transport/tcp/wire.h"

namespace paci {

// What a joined link is made of.
struct NcclLink {
  CudaApi* cuda = nullptr;
  NcclApi* nccl = nullptr;
  IoThread* io = nullptr;
  LinkId id;
  NcclComm comm = nullptr;
  std::shared_ptr<StreamQueue> queue;
};

inline FrameTag ControlTag(uint64_t index) { return {FrameKind::kControl, 0, index}; }

// One end of a link, whose communicator it aborts when it closes. On the I/O thread only, but for
// stats; kept alive by what is under way.
template <typename Control>
class NcclEnd : public std::enable_shared_from_this<NcclEnd<Control>> {
 public:
  NcclEnd(NcclLink link, std::unique_ptr<Control> control);

  // Begins to notice the peer's end.
  void Start();
  void Add(FrameTag tag, absl::Span<std::byte> bytes, const std::shared_ptr<ComputeMark>& mark,
           TransferDone done);
  void Close(const absl::Status& reason);
  // After it no callback of the control comes.
  void End();

  absl::Status status() const { return closed_; }
  ChannelStats stats() const { return {frames_, payload_bytes_}; }
  CudaApi* cuda() const { return link_.cuda; }

 private:
  static constexpr bool kIsSender = std::is_same_v<Control, SendChannel>;

  // Oldest first; they become issued, moved and done in this order.
  struct Transfer {
    FrameTag tag;
    absl::Span<std::byte> bytes;
    std::shared_ptr<ComputeMark> mark;
    TransferDone done;
    FrameHeaderBytes announcement;
    bool is_announced = false;  // sender: it has left; receiver: it has come, and is the expected
    bool is_moved = false;
  };
  using TransferPtr = std::shared_ptr<Transfer>;

  void Announce(const TransferPtr& transfer);
  void AwaitAnnouncement();
  void OnAnnouncement();
  // Holds what was announced against the oldest receive that has no announcement.
  void MatchAnnouncement();
  // Puts on the stream what may be put there.
  void Issue();
  void OnIssued();
  void PollIssuing();
  void FinishDone();
  void Watch();
  // Runs `then` on the I/O thread with what the control said, while this is open.
  template <typename Then>
  auto OnControl(Then then);

  const NcclLink link_;
  std::unique_ptr<Control> control_;
  asio::steady_timer issuing_timer_;
  asio::steady_timer watch_timer_;
  std::deque<TransferPtr> transfers_;
  size_t issued_ = 0;           // of transfers_
  bool is_issuing_ = false;     // the next one is half put on the stream
  uint64_t announcements_ = 1;  // frames of the control so far, from 0: those of the join are two
  FrameHeaderBytes coming_;     // receiver: where the next announcement arrives
  std::optional<FrameHeader> announcement_;  // receiver: that no receive was posted for
  absl::Status closed_;
  std::atomic<uint64_t> frames_{0};
  std::atomic<uint64_t> payload_bytes_{0};
};

}  // namespace paci
