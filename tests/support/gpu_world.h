#pragma once

// GPUs that are none: streams, events and NCCL's transfers between them, simulated, over memory of
// the host. Work is put on streams as on real ones and done later, some steps at a time, in an
// order that a seed chooses among all that real devices might take. On the way it finds what a real
// device would punish at random or not at all: memory used before the work that it needs is done,
// calls at the wrong time, transfers that can never meet, things never given back.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "common/gpu/cuda_api.h"
#include "common/gpu/nccl_api.h"

namespace paci {

// Thread-safe. It outlives its devices and what they made.
class GpuWorld {
 public:
  explicit GpuWorld(uint64_t seed) : random_(seed) {}

  // A process with one device.
  struct Process {
    std::unique_ptr<CudaApi> cuda;
    std::unique_ptr<NcclApi> nccl;
    int number = 0;
  };
  Process MakeProcess();

  // Puts a kernel on the compute stream of a process, which sets every byte of `writes` to `value`.
  void Compute(int process, absl::Span<const std::byte> reads, absl::Span<std::byte> writes,
               std::byte value);
  // Nothing of it is done any more, and NCCL says nothing of it to its peers.
  void Kill(int process);
  // From now on each of its calls about NCCL's communicators fails.
  void FailNccl(int process, absl::Status status);

  // What should not have happened, in words; empty if all is well.
  std::vector<std::string> findings() const;
  // What was not given back.
  std::string leaks() const;
  // Transfers that wait for a peer, when nothing else is left to do.
  std::vector<std::string> Stuck();

 private:
  friend class WorldCuda;
  friend class WorldNccl;

  // What is known to have been done, of each stream: how many of its operations.
  using Clock = std::map<uintptr_t, uint64_t>;
  enum class Kind { kRecord, kWait, kCopy, kCompute, kSend, kReceive };
  struct Operation {
    Kind kind;
    uintptr_t event = 0;
    uint64_t version = 0;  // of the event
    uintptr_t comm = 0;
    absl::Span<const std::byte> reads;
    absl::Span<std::byte> writes;
    std::byte value{};
    std::string what;
  };
  struct Stream {
    int process = 0;
    std::deque<Operation> operations;
    uint64_t put = 0;
    Clock clock;
  };
  struct Event {
    uint64_t recorded = 0;  // versions that were put on a stream
    uint64_t passed = 0;
    Clock clock;  // of the last version
    bool is_destroyed = false;
  };
  struct Comm {
    NcclId id;
    int process = 0;
    int rank = 0;
    int polls_left = 0;    // until what is under way is done
    bool has_met = false;  // both ranks have come
    bool is_joined = false;
    std::vector<std::pair<uintptr_t, Operation>> half_put;  // its stream, and what comes there
  };
  struct Access {
    absl::Span<const std::byte> bytes;
    bool is_write;
    uintptr_t stream;
    uint64_t position;
    std::string what;
  };

  uintptr_t NewHandle() { return ++handles_; }
  uintptr_t StreamOf(int process, CudaStream stream);
  // An event that was destroyed goes once nothing on a stream needs it.
  void ForgetPassed(uintptr_t event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(uintptr_t stream, Operation operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CheckAccess(uintptr_t stream, absl::Span<const std::byte> bytes, bool is_write,
                   const std::string& what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Does a few of the operations that can be done, or all.
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DoOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsReady(const Stream& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(Stream& stream) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The stream whose next operation is the other half of a transfer; null: none yet.
  Stream* PartnerOf(const Operation& operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Comm* PeerOf(const Comm& comm) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Found(std::string what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  uintptr_t handles_ ABSL_GUARDED_BY(mutex_) = 1000;
  int processes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<int, bool> dead_ ABSL_GUARDED_BY(mutex_);
  std::map<int, absl::Status> failing_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Clock> host_clocks_ ABSL_GUARDED_BY(mutex_);  // what each process has seen done
  std::map<uintptr_t, Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<uintptr_t, Event> events_ ABSL_GUARDED_BY(mutex_);
  std::map<uintptr_t, Comm> comms_ ABSL_GUARDED_BY(mutex_);
  std::map<std::byte*, std::unique_ptr<std::byte[]>> pinned_ ABSL_GUARDED_BY(mutex_);
  std::vector<Access> accesses_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> findings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace paci
