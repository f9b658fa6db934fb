#pragma once

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "common/transport/channel.h"
#include "common/transport/device/stream_queue.h"
#include "common/transport/io_thread.h"

namespace paci {

// The handle that a stage owns of one end of a channel over memory of a GPU: forwards to the I/O
// thread, and ends the channel with it. An `End` has, on that thread,
//   void Add(FrameTag, absl::Span<std::byte>, std::shared_ptr<ComputeMark>, TransferDone);
//   void Close(const absl::Status& reason);
//   absl::Status status() const;
//   void End();                     // after it no callback comes that it has not asked for itself
// and on any CudaApi* cuda() and ChannelStats stats(). `Base`: SendChannel or ReceiveChannel.
template <typename Base, typename End>
class DeviceChannel : public Base {
 public:
  DeviceChannel(std::shared_ptr<End> end, std::shared_ptr<IoThread> io)
      : io_(std::move(io)), end_(std::move(end)) {}
  ~DeviceChannel() override {
    io_->RunAndWait([&] { end_->End(); });
  }

  void Close(absl::Status reason) override {
    io_->RunAndWait([&] { end_->Close(reason); });
  }
  ChannelStats stats() const override { return end_->stats(); }
  absl::Status status() const override {
    absl::Status status;
    io_->RunAndWait([&] { status = end_->status(); });
    return status;
  }

 protected:
  // What computes the payload, or still reads the buffer's last content, is on the compute stream
  // now: the mark is made here, so that what the stage puts there later is not waited for.
  void Add(FrameTag tag, absl::Span<std::byte> bytes, TransferDone done) {
    auto mark = ComputeMark::Make(end_->cuda());
    auto shared_done = std::make_shared<TransferDone>(std::move(done));
    io_->Post([end = end_, mark = std::move(mark), tag, bytes, shared_done] {
      if (!mark.ok()) end->Close(mark.status());
      end->Add(tag, bytes, mark.ok() ? *mark : nullptr, std::move(*shared_done));
    });
  }

 private:
  // First: the end's timers are of its context.
  const std::shared_ptr<IoThread> io_;
  const std::shared_ptr<End> end_;
};

template <typename End>
class DeviceSender final : public DeviceChannel<SendChannel, End> {
 public:
  using DeviceChannel<SendChannel, End>::DeviceChannel;
  void Send(FrameTag tag, absl::Span<const std::byte> payload, TransferDone done) override {
    // Only read.
    this->Add(tag, {const_cast<std::byte*>(payload.data()), payload.size()}, std::move(done));
  }
};

template <typename End>
class DeviceReceiver final : public DeviceChannel<ReceiveChannel, End> {
 public:
  using DeviceChannel<ReceiveChannel, End>::DeviceChannel;
  void Receive(FrameTag expected, absl::Span<std::byte> into, TransferDone done) override {
    this->Add(expected, into, std::move(done));
  }
};

}  // namespace paci
