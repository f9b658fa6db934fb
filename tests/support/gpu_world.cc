#include "tests/support/gpu_world.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

uintptr_t NumberOf(const void* handle) { return reinterpret_cast<uintptr_t>(handle); }
void* HandleOf(uintptr_t number) { return reinterpret_cast<void*>(number); }

void Merge(std::map<uintptr_t, uint64_t>& clock, const std::map<uintptr_t, uint64_t>& other) {
  for (const auto& [stream, position] : other) {
    clock[stream] = std::max(clock[stream], position);
  }
}

bool Overlap(absl::Span<const std::byte> a, absl::Span<const std::byte> b) {
  return !a.empty() && !b.empty() && a.data() < b.data() + b.size() &&
         b.data() < a.data() + a.size();
}

}  // namespace

class WorldCuda final : public CudaApi {
 public:
  WorldCuda(GpuWorld* world, int process) : world_(*world), process_(process) {}

  absl::StatusOr<CudaStream> CreateStream() override {
    absl::MutexLock lock(&world_.mutex_);
    const uintptr_t stream = world_.NewHandle();
    world_.streams_[stream].process = process_;
    return HandleOf(stream);
  }
  void DestroyStream(CudaStream stream) override {
    absl::MutexLock lock(&world_.mutex_);
    const auto it = world_.streams_.find(NumberOf(stream));
    if (it == world_.streams_.end()) return world_.Found("a stream is destroyed twice");
    if (!it->second.operations.empty() && !world_.dead_[process_]) {
      world_.Found(absl::StrCat("a stream is destroyed before it is idle, with ",
                                it->second.operations.front().what));
    }
    world_.streams_.erase(it);
  }
  absl::Status Synchronize(CudaStream stream) override {
    absl::MutexLock lock(&world_.mutex_);
    const uintptr_t number = world_.StreamOf(process_, stream);
    while (!world_.streams_[number].operations.empty() && world_.DoOne()) {
    }
    if (!world_.streams_[number].operations.empty() && !world_.dead_[process_]) {
      world_.Found(absl::StrCat("a thread waits for ever for ",
                                world_.streams_[number].operations.front().what));
    }
    Merge(world_.host_clocks_[process_], world_.streams_[number].clock);
    world_.host_clocks_[process_][number] = world_.streams_[number].put;
    return absl::OkStatus();
  }

  absl::StatusOr<CudaEvent> CreateEvent() override {
    absl::MutexLock lock(&world_.mutex_);
    const uintptr_t event = world_.NewHandle();
    world_.events_[event] = {};
    return HandleOf(event);
  }
  void DestroyEvent(CudaEvent event) override {
    absl::MutexLock lock(&world_.mutex_);
    GpuWorld::Event& known = world_.events_[NumberOf(event)];
    if (known.is_destroyed) world_.Found("an event is destroyed twice");
    known.is_destroyed = true;
    world_.ForgetPassed(NumberOf(event));
  }
  absl::Status Record(CudaEvent event, CudaStream stream) override {
    absl::MutexLock lock(&world_.mutex_);
    const uintptr_t number = world_.StreamOf(process_, stream);
    GpuWorld::Event& known = world_.events_[NumberOf(event)];
    GpuWorld::Operation record{GpuWorld::Kind::kRecord};
    record.event = NumberOf(event);
    record.version = ++known.recorded;
    record.what = "an event's record";
    world_.Put(number, record);
    known.clock = world_.streams_[number].clock;
    known.clock[number] = world_.streams_[number].put;
    return absl::OkStatus();
  }
  absl::StatusOr<bool> HasPassed(CudaEvent event) override {
    absl::MutexLock lock(&world_.mutex_);
    world_.Step();
    const GpuWorld::Event& known = world_.events_[NumberOf(event)];
    if (known.passed < known.recorded) return false;
    Merge(world_.host_clocks_[process_], known.clock);
    return true;
  }
  absl::Status MakeWait(CudaStream stream, CudaEvent event) override {
    absl::MutexLock lock(&world_.mutex_);
    const uintptr_t number = world_.StreamOf(process_, stream);
    const GpuWorld::Event& known = world_.events_[NumberOf(event)];
    GpuWorld::Operation wait{GpuWorld::Kind::kWait};
    wait.event = NumberOf(event);
    wait.version = known.recorded;
    wait.what = "a wait for an event";
    world_.Put(number, wait);
    Merge(world_.streams_[number].clock, known.clock);
    return absl::OkStatus();
  }

  absl::StatusOr<std::byte*> AllocatePinned(size_t bytes) override {
    absl::MutexLock lock(&world_.mutex_);
    auto memory = std::make_unique<std::byte[]>(bytes);
    std::byte* const address = memory.get();
    world_.pinned_[address] = std::move(memory);
    return address;
  }
  void FreePinned(std::byte* memory) override {
    absl::MutexLock lock(&world_.mutex_);
    if (world_.pinned_.erase(memory) == 0) world_.Found("pinned memory is freed twice");
  }
  absl::Status Copy(std::byte* to, const std::byte* from, size_t bytes,
                    CudaStream stream) override {
    absl::MutexLock lock(&world_.mutex_);
    GpuWorld::Operation copy{GpuWorld::Kind::kCopy};
    copy.reads = {from, bytes};
    copy.writes = {to, bytes};
    copy.what = "a copy";
    world_.Put(world_.StreamOf(process_, stream), copy);
    return absl::OkStatus();
  }

 private:
  GpuWorld& world_;
  const int process_;
};

class WorldNccl final : public NcclApi {
 public:
  WorldNccl(GpuWorld* world, int process) : world_(*world), process_(process) {}

  absl::StatusOr<NcclId> MakeId() override {
    absl::MutexLock lock(&world_.mutex_);
    NcclId id{};
    const uintptr_t number = world_.NewHandle();
    std::memcpy(id.data(), &number, sizeof(number));
    return id;
  }

  absl::StatusOr<NcclComm> Join(const NcclId& id, int rank) override {
    absl::MutexLock lock(&world_.mutex_);
    if (world_.failing_.contains(process_)) return world_.failing_[process_];
    const uintptr_t number = world_.NewHandle();
    GpuWorld::Comm& comm = world_.comms_[number];
    comm.id = id;
    comm.process = process_;
    comm.rank = rank;
    comm.polls_left = static_cast<int>(world_.random_() % 4);
    GpuWorld::Comm* const peer = world_.PeerOf(comm);
    if (peer != nullptr && !world_.dead_[process_]) comm.has_met = peer->has_met = true;
    if (peer != nullptr && peer->process == process_) {
      world_.Found("NCCL is asked to join a device with itself");
    }
    return HandleOf(number);
  }

  absl::StatusOr<Progress> Poll(NcclComm handle) override {
    absl::MutexLock lock(&world_.mutex_);
    if (world_.failing_.contains(process_)) return world_.failing_[process_];
    world_.Step();
    const auto it = world_.comms_.find(NumberOf(handle));
    if (it == world_.comms_.end()) {
      world_.Found("a communicator is used after its abort");
      return absl::InternalError("no such communicator");
    }
    GpuWorld::Comm& comm = it->second;
    if (world_.dead_[process_]) return Progress::kUnderWay;
    if (!comm.has_met) return Progress::kUnderWay;
    if (comm.polls_left > 0) {
      --comm.polls_left;
      return Progress::kUnderWay;
    }
    comm.is_joined = true;
    for (auto& [stream, operation] : std::exchange(comm.half_put, {})) {
      world_.Put(stream, std::move(operation));
    }
    return Progress::kDone;
  }

  absl::StatusOr<Progress> Send(NcclComm comm, absl::Span<const std::byte> payload,
                                CudaStream stream) override {
    GpuWorld::Operation send{GpuWorld::Kind::kSend};
    send.reads = payload;
    return Transfer(comm, std::move(send), 0, stream);
  }
  absl::StatusOr<Progress> Receive(NcclComm comm, absl::Span<std::byte> into,
                                   CudaStream stream) override {
    GpuWorld::Operation receive{GpuWorld::Kind::kReceive};
    receive.writes = into;
    return Transfer(comm, std::move(receive), 1, stream);
  }

  void Abort(NcclComm handle) override {
    absl::MutexLock lock(&world_.mutex_);
    if (world_.comms_.erase(NumberOf(handle)) == 0) {
      world_.Found("a communicator is aborted twice");
    }
    for (auto& [number, stream] : world_.streams_) {
      std::erase_if(stream.operations, [&](const GpuWorld::Operation& operation) {
        return operation.comm == NumberOf(handle);
      });
    }
  }

 private:
  absl::StatusOr<Progress> Transfer(NcclComm handle, GpuWorld::Operation operation, int rank,
                                    CudaStream stream) {
    absl::MutexLock lock(&world_.mutex_);
    if (world_.failing_.contains(process_)) return world_.failing_[process_];
    const auto it = world_.comms_.find(NumberOf(handle));
    if (it == world_.comms_.end()) {
      world_.Found("a communicator is used after its abort");
      return absl::InternalError("no such communicator");
    }
    GpuWorld::Comm& comm = it->second;
    if (!comm.is_joined || comm.polls_left > 0) {
      world_.Found("a communicator is used while a call of it is under way");
    }
    if (comm.rank != rank) world_.Found("a rank transfers in the wrong direction");
    operation.comm = NumberOf(handle);
    operation.what = absl::StrCat(rank == 0 ? "a send" : "a receive", " of process ", process_);
    const uintptr_t number = world_.StreamOf(process_, stream);
    // The first transfer sets up what the link needs; later ones now and then.
    comm.polls_left = static_cast<int>(world_.random_() % 3);
    if (comm.polls_left == 0) {
      world_.Put(number, std::move(operation));
      return Progress::kDone;
    }
    comm.half_put.emplace_back(number, std::move(operation));
    return Progress::kUnderWay;
  }

  GpuWorld& world_;
  const int process_;
};

GpuWorld::Process GpuWorld::MakeProcess() {
  absl::MutexLock lock(&mutex_);
  const int number = ++processes_;
  streams_[number].process = number;  // its compute stream has the number of the process
  return {std::make_unique<WorldCuda>(this, number), std::make_unique<WorldNccl>(this, number),
          number};
}

uintptr_t GpuWorld::StreamOf(int process, CudaStream stream) {
  return stream == kComputeStream ? static_cast<uintptr_t>(process) : NumberOf(stream);
}

void GpuWorld::Compute(int process, absl::Span<const std::byte> reads, absl::Span<std::byte> writes,
                       std::byte value) {
  absl::MutexLock lock(&mutex_);
  Operation compute{Kind::kCompute};
  compute.reads = reads;
  compute.writes = writes;
  compute.value = value;
  compute.what = absl::StrCat("a kernel of process ", process);
  Put(static_cast<uintptr_t>(process), compute);
}

void GpuWorld::Kill(int process) {
  absl::MutexLock lock(&mutex_);
  dead_[process] = true;
}

void GpuWorld::FailNccl(int process, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  failing_[process] = std::move(status);
}

std::vector<std::string> GpuWorld::findings() const {
  absl::MutexLock lock(&mutex_);
  return findings_;
}

std::string GpuWorld::leaks() const {
  absl::MutexLock lock(&mutex_);
  const auto events = std::count_if(events_.begin(), events_.end(),
                                    [](const auto& event) { return !event.second.is_destroyed; });
  std::string leaks;
  const auto streams = static_cast<int>(streams_.size()) - processes_;
  if (streams > 0) absl::StrAppend(&leaks, streams, " streams ");
  if (events > 0) absl::StrAppend(&leaks, events, " events ");
  if (!comms_.empty()) absl::StrAppend(&leaks, comms_.size(), " communicators ");
  if (!pinned_.empty()) absl::StrAppend(&leaks, pinned_.size(), " pinned buffers ");
  return leaks;
}

std::vector<std::string> GpuWorld::Stuck() {
  absl::MutexLock lock(&mutex_);
  while (DoOne()) {
  }
  std::vector<std::string> stuck;
  for (const auto& [number, stream] : streams_) {
    if (!stream.operations.empty()) stuck.push_back(stream.operations.front().what);
  }
  return stuck;
}

void GpuWorld::Put(uintptr_t number, Operation operation) {
  Stream& stream = streams_[number];
  Merge(stream.clock, host_clocks_[stream.process]);
  CheckAccess(number, operation.reads, /*is_write=*/false, operation.what);
  CheckAccess(number, operation.writes, /*is_write=*/true, operation.what);
  ++stream.put;
  stream.operations.push_back(std::move(operation));
}

void GpuWorld::ForgetPassed(uintptr_t number) {
  const auto event = events_.find(number);
  if (event->second.is_destroyed && event->second.passed == event->second.recorded) {
    events_.erase(event);
  }
}

void GpuWorld::CheckAccess(uintptr_t number, absl::Span<const std::byte> bytes, bool is_write,
                           const std::string& what) {
  if (bytes.empty()) return;
  Stream& stream = streams_[number];
  // What the process has seen done is known to all that it puts on streams from now on.
  std::erase_if(accesses_, [&](const Access& access) {
    const auto owner = streams_.find(access.stream);
    return owner == streams_.end() ||
           host_clocks_[owner->second.process][access.stream] >= access.position;
  });
  for (const Access& earlier : accesses_) {
    if (!earlier.is_write && !is_write) continue;
    if (earlier.stream == number || !Overlap(earlier.bytes, bytes)) continue;
    if (stream.clock[earlier.stream] < earlier.position) {
      Found(absl::StrCat(what, " uses memory before ", earlier.what, " is known to be done"));
    }
  }
  accesses_.push_back({bytes, is_write, number, stream.put + 1, what});
}

void GpuWorld::Step() {
  for (uint64_t i = random_() % 4; i > 0 && DoOne(); --i) {
  }
}

bool GpuWorld::DoOne() {
  std::vector<uintptr_t> ready;
  for (const auto& [number, stream] : streams_) {
    if (IsReady(stream)) ready.push_back(number);
  }
  if (ready.empty()) return false;
  Do(streams_[ready[random_() % ready.size()]]);
  return true;
}

bool GpuWorld::IsReady(const Stream& stream) {
  if (stream.operations.empty() || dead_[stream.process]) return false;
  const Operation& next = stream.operations.front();
  switch (next.kind) {
    case Kind::kWait:
      return !events_.contains(next.event) || events_[next.event].passed >= next.version;
    case Kind::kSend:
      return PartnerOf(next) != nullptr;
    case Kind::kReceive:  // is done with its send
      return false;
    default:
      return true;
  }
}

GpuWorld::Comm* GpuWorld::PeerOf(const Comm& comm) {
  for (auto& [number, other] : comms_) {
    if (other.id == comm.id && other.rank != comm.rank && !dead_[other.process]) return &other;
  }
  return nullptr;
}

GpuWorld::Stream* GpuWorld::PartnerOf(const Operation& operation) {
  const auto comm = comms_.find(operation.comm);
  if (comm == comms_.end()) return nullptr;
  for (auto& [number, stream] : streams_) {
    if (stream.operations.empty() || dead_[stream.process]) continue;
    const Operation& other = stream.operations.front();
    if (other.kind != Kind::kReceive) continue;
    const auto other_comm = comms_.find(other.comm);
    if (other_comm != comms_.end() && other_comm->second.id == comm->second.id) return &stream;
  }
  return nullptr;
}

void GpuWorld::Do(Stream& stream) {
  const Operation next = std::move(stream.operations.front());
  stream.operations.pop_front();
  switch (next.kind) {
    case Kind::kRecord:
      events_[next.event].passed = std::max(events_[next.event].passed, next.version);
      ForgetPassed(next.event);
      break;
    case Kind::kWait:
    case Kind::kReceive:
      break;
    case Kind::kCopy:
      std::copy(next.reads.begin(), next.reads.end(), next.writes.begin());
      break;
    case Kind::kCompute:
      std::fill(next.writes.begin(), next.writes.end(), next.value);
      break;
    case Kind::kSend: {
      Stream* const partner = PartnerOf(next);
      const Operation receive = std::move(partner->operations.front());
      partner->operations.pop_front();
      if (receive.writes.size() != next.reads.size()) {
        Found(absl::StrCat("a send of ", next.reads.size(), " bytes meets a receive of ",
                           receive.writes.size()));
        break;
      }
      std::copy(next.reads.begin(), next.reads.end(), receive.writes.begin());
      break;
    }
  }
}

void GpuWorld::Found(std::string what) { findings_.push_back(std::move(what)); }

}  // namespace paci
