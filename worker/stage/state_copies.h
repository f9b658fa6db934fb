#pragma once

// Copies of a stage's state on their way from one worker's memory to another's. A copy is three
// frames: the sizes of the others, the header, the bytes (common/checkpoint/state_copy.h).

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/checkpoint/state_copy.h"
#include "common/transport/channel.h"
#include "worker/stage/compute.h"

namespace paci {

// Sends copies, one after the other. Close is thread-safe, the others are called on one thread.
class CopySender {
 public:
  explicit CopySender(std::unique_ptr<SendChannel> channel) : channel_(std::move(channel)) {}

  // Begins to send `copy`, which stays as it is until Await. Not before the Await of the last one.
  absl::Status Send(const StateCopy& copy);
  // Blocks until the last copy was handed to the network; not OK: it was not, and none will be.
  absl::Status Await();
  void Close(const absl::Status& reason) { channel_->Close(reason); }

 private:
  std::array<uint64_t, 2> sizes_ = {};  // bytes of header and state
  std::string header_;
  uint64_t frames_ = 0;
  absl::Mutex mutex_;
  int pending_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  // Last: destroyed first, so that no callback outlives what it touches.
  std::unique_ptr<SendChannel> channel_;
};

// Keeps the newest copy that came whole. Thread-safe.
class CopyReceiver {
 public:
  explicit CopyReceiver(std::unique_ptr<ReceiveChannel> channel);
  ~CopyReceiver();

  std::shared_ptr<const StateCopy> Newest() const;  // null: none has come
  // Blocks until one has come, or none will.
  absl::StatusOr<std::shared_ptr<const StateCopy>> AwaitFirst();
  void Close(const absl::Status& reason) { channel_->Close(reason); }

 private:
  void ReceiveSizes();
  void ReceiveHeader();
  void ReceiveBytes();
  void Publish();
  void Fail(const absl::Status& status);
  template <typename Next>
  void Receive(absl::Span<std::byte> into, Next next);
  // Around a callback, which posts the next receive: none is posted once the end has begun.
  bool Enter();
  void Leave();

  // The buffer of a copy that nobody has any more. To make one anew, large as it is, would hold up
  // the I/O thread, and what the pipeline sends with it.
  struct Spare {
    absl::Mutex mutex;
    std::vector<std::byte> bytes ABSL_GUARDED_BY(mutex);
  };

  // Of the copy that is coming; touched by one callback after the other.
  std::array<uint64_t, 2> sizes_ = {};
  std::string header_;
  std::vector<std::byte> bytes_;
  uint64_t frames_ = 0;
  const std::shared_ptr<Spare> spare_ = std::make_shared<Spare>();
  mutable absl::Mutex mutex_;
  std::shared_ptr<const StateCopy> newest_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  bool is_ending_ ABSL_GUARDED_BY(mutex_) = false;
  int callbacks_ ABSL_GUARDED_BY(mutex_) = 0;  // that run
  std::unique_ptr<ReceiveChannel> channel_;    // last, as above
};

// Keeps the copy that a neighbour has of a stage at most one boundary behind it: a copy is made
// when the one before has been handed to the network, for which the stage waits. Close is
// thread-safe, the rest is called on the stage's thread. `compute` outlives it.
class Replicator {
 public:
  Replicator(StageCompute* compute, std::unique_ptr<SendChannel> channel, int64_t every)
      : compute_(compute), every_(every), sender_(std::move(channel)) {}
  ~Replicator() { Close(absl::CancelledError("the stage is over")); }

  // The stage is as after `update` updates. Copies it if `every` have passed since the last copy,
  // or there is none. A copy that cannot be sent ends copying, not the stage.
  void AfterUpdate(int64_t update);
  void Close(const absl::Status& reason) { sender_.Close(reason); }

 private:
  StageCompute* const compute_;
  const int64_t every_;
  int64_t copied_ = -1;  // update of the last copy; below 0: none
  bool has_failed_ = false;
  StateCopy copy_;
  CopySender sender_;  // after copy_, which it reads
};

}  // namespace paci
