#pragma once

// Networks of processes with a GPU each, of a world that is checked when it goes.

#include <string>
#include <utility>

#include "common/transport/device/staged_transport.h"
#include "common/transport/nccl/nccl_transport.h"
#include "tests/support/gpu_world.h"
#include "tests/unit/transport/transport_testing.h"

namespace paci {

class CheckedWorld {
 public:
  explicit CheckedWorld(uint64_t seed) : world_(seed) {}
  ~CheckedWorld() {
    for (const std::string& finding : world_.findings()) ADD_FAILURE() << finding;
    EXPECT_EQ(world_.leaks(), "");
  }
  GpuWorld* operator->() { return &world_; }
  // It lives as long as this.
  GpuWorld::Process& MakeProcess() { return processes_.emplace_back(world_.MakeProcess()); }

 private:
  GpuWorld world_;
  std::deque<GpuWorld::Process> processes_;
};

// A transport with the one that it is made on.
class OnTcp final : public Transport {
 public:
  template <typename Make>
  explicit OnTcp(Make make) : tcp_(*ListenTcp(TcpOptions())), transport_(make(tcp_.get())) {}

  std::string address() const override { return transport_->address(); }
  void Accept(const LinkId& link, const LinkOptions& options, absl::Time deadline,
              OnReceiveChannel done) override {
    transport_->Accept(link, options, deadline, std::move(done));
  }
  void Connect(const std::string& address, const LinkId& link, const LinkOptions& options,
               absl::Time deadline, OnSendChannel done) override {
    transport_->Connect(address, link, options, deadline, std::move(done));
  }
  void Cancel(const std::string& job_id, uint64_t generation) override {
    transport_->Cancel(job_id, generation);
  }

 private:
  const std::unique_ptr<Transport> tcp_;
  const std::unique_ptr<Transport> transport_;
};

inline std::unique_ptr<Transport> MakeNccl(GpuWorld::Process& process) {
  return std::make_unique<OnTcp>([&](Transport* tcp) {
    return MakeNcclTransport(process.cuda.get(), process.nccl.get(), tcp);
  });
}
inline std::unique_ptr<Transport> MakeStaged(GpuWorld::Process& process) {
  return std::make_unique<OnTcp>(
      [&](Transport* tcp) { return MakeStagedTransport(process.cuda.get(), tcp); });
}

inline Network GpuNetwork(std::string name, uint64_t seed,
                          std::unique_ptr<Transport> (*make)(GpuWorld::Process&)) {
  return {std::move(name), [=] {
            return [=, world = std::make_shared<CheckedWorld>(seed)] {
              return make(world->MakeProcess());
            };
          }};
}
inline Network NcclNetwork(uint64_t seed = 1) { return GpuNetwork("Nccl", seed, MakeNccl); }
inline Network StagedNetwork(uint64_t seed = 1) { return GpuNetwork("Staged", seed, MakeStaged); }

}  // namespace paci
