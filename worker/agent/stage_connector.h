#pragma once

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "common/transport/channel.h"
#include "paci/v1/worker.pb.h"
#include "worker/stage/stage_loop.h"

namespace paci {

// The channels of one stage in one generation of a job; null where the stage has none.
struct StageLinks {
  StageChannels pipeline;
  // recovery.replicate: copies of this stage to the one that keeps them, and of the one whose
  // copies this one keeps.
  std::unique_ptr<SendChannel> copies_out;
  std::unique_ptr<ReceiveChannel> copies_in;
  // A copy that goes back to a stage that failed.
  std::unique_ptr<SendChannel> restore_out;
  std::unique_ptr<ReceiveChannel> restore_in;
};

// What moves bytes between stages. Those of a GPU are null where the worker has none.
struct Transports {
  Transports(Transport* host) : host(host) {}  // NOLINT(google-explicit-constructor)

  Transport* host;              // from and to memory of the host
  Transport* staged = nullptr;  // of a GPU, through memory of the host
  Transport* nccl = nullptr;    // from GPU to GPU
};

enum class DataPath { kHost, kStaged, kNccl };
// How activations and gradients go between two stages; both say the same. NCCL joins two different
// GPUs and does not encrypt.
DataPath DataPathOf(const v1::PrepareStage& command, uint32_t stage, uint32_t other);

// The stage that keeps the copies of `stage`, and the one whose copies `stage` keeps: neighbours on
// the ring of the pipeline.
inline uint32_t KeeperOf(uint32_t stage, uint32_t stages) { return (stage + 1) % stages; }
inline uint32_t KeptBy(uint32_t stage, uint32_t stages) { return (stage + stages - 1) % stages; }

// Connects a stage to its neighbours, as its PrepareStage says. Thread-safe. `transports` outlive
// it; the destructor cancels what is pending.
class StageConnector {
 public:
  StageConnector(const v1::PrepareStage& command, const Transports& transports);
  ~StageConnector() { Cancel(absl::CancelledError("the stage was released")); }

  // Dials and listens until each link is there, or its deadline.
  void Begin();
  // Blocks until the links are there on which copies go back, and hands out these. Not OK as soon
  // as any link has failed, or with the reason of a Cancel.
  absl::StatusOr<StageLinks> AwaitRestore();
  // The same, of all others.
  absl::StatusOr<StageLinks> AwaitAll();
  // Returns when nothing is pending any more.
  void Cancel(const absl::Status& reason);

 private:
  enum class Sort { kPipeline, kRestore };
  // `slot`: of StageLinks, where the channel goes.
  template <typename Slot>
  void Accept(uint32_t from, uint8_t lane, Sort sort, Slot slot);
  template <typename Slot>
  void Connect(uint32_t to, uint8_t lane, Sort sort, Slot slot);
  template <typename Slot>
  auto Store(Sort sort, Slot slot);
  void BeginPipeline();
  void BeginCopies();
  void BeginRestore();
  // What joins this stage to `peer`. FAILED_PRECONDITION: this worker lacks it.
  absl::StatusOr<Transport*> TransportTo(uint32_t peer, Sort sort, uint8_t lane) const;
  // Waits until nothing is pending, or of one sort only.
  absl::Status AwaitLinks(bool restores_only) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::PrepareStage command_;
  const uint32_t stage_;
  const uint32_t stages_;
  const absl::Time deadline_;
  const LinkOptions options_;
  const Transports transports_;
  absl::Mutex mutex_;
  int pending_ ABSL_GUARDED_BY(mutex_) = 0;           // all of them
  int pending_restores_ ABSL_GUARDED_BY(mutex_) = 0;  // among them
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);      // the first
  StageLinks links_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paci
