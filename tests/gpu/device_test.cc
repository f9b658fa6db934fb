// A stage on a GPU beside the same stage on the CPU. Skips where there is no GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/gpu/loaded_cuda.h"
#include "common/transport/device/staged_transport.h"
#include "common/transport/tcp/tcp_transport.h"
#include "tests/parity/small_job.h"
#include "worker/device/torch_cuda.h"

namespace paci {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

class OnGpu : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status loaded = LoadTorchCuda();
    if (!loaded.ok()) GTEST_SKIP() << "no GPU: " << loaded.message();
    absl::StatusOr<std::unique_ptr<CudaApi>> cuda = OpenCuda(0);
    ASSERT_TRUE(cuda.ok()) << cuda.status();
    cuda_ = *std::move(cuda);
  }

  // Every stage on device 0, joined through memory of the host.
  RunResult TrainThere(const v1::JobSpec& spec, const std::vector<uint32_t>& parts) {
    std::vector<std::unique_ptr<Transport>> hosts;
    const auto make = [&]() -> std::unique_ptr<Transport> {
      hosts.push_back(*ListenTcp(TcpOptions()));
      return MakeStagedTransport(cuda_.get(), hosts.back().get());
    };
    return Train(spec, parts, std::nullopt, nullptr, nullptr, make, /*gpu=*/0);
  }

  SmallData data_;
  std::unique_ptr<CudaApi> cuda_;
};

TEST_F(OnGpu, AStageInFloat32IsNearTheCpus) {
  v1::JobSpec spec = SmallJob(data_, "paci", 3);
  const RunResult on_cpu = Train(spec, {5});
  EXPECT_THAT(TrainThere(spec, {5}).losses, Pointwise(DoubleNear(1e-3), on_cpu.losses));
}

TEST_F(OnGpu, StagesInBfloat16AreNearTheCpus) {
  for (const v1::Precision precision : {v1::PRECISION_BF16, v1::PRECISION_BF16_AUTOCAST}) {
    v1::JobSpec spec = SmallJob(data_, "paci", 3);
    const RunResult on_cpu = Train(spec, {2, 3});
    spec.mutable_train()->set_precision(precision);
    EXPECT_THAT(TrainThere(spec, {2, 3}).losses, Pointwise(DoubleNear(0.05), on_cpu.losses));
  }
}

TEST_F(OnGpu, AFlushOverTwoStagesHasTheBitsOfOne) {
  const v1::JobSpec spec = SmallJob(data_, "1f1b", 3);
  EXPECT_EQ(TrainThere(spec, {2, 3}).losses, TrainThere(spec, {5}).losses);
}

TEST_F(OnGpu, DropoutAndRecomputationAgree) {
  v1::JobSpec spec = SmallJob(data_, "1f1b", 3);
  spec.mutable_model()->set_dropout(0.1);
  const RunResult kept = TrainThere(spec, {2, 3});
  spec.mutable_pipeline()->set_recompute(v1::RECOMPUTE_FULL);
  EXPECT_THAT(TrainThere(spec, {2, 3}).losses, Pointwise(DoubleNear(1e-4), kept.losses));
}

TEST_F(OnGpu, PaciNeedsTheMemoryOfOneForwardOneBackward) {
  v1::JobSpec spec = SmallJob(data_, "1f1b", 4);
  spec.mutable_model()->set_hidden(256);
  spec.mutable_model()->set_context(256);
  const auto peak = [](const RunResult& run) {
    uint64_t most = 0;
    for (const v1::StageStatus& stage : run.stages) {
      most = std::max<uint64_t>(most, stage.peak_device_bytes());
    }
    return static_cast<double>(most);
  };
  const double flush = peak(TrainThere(spec, {2, 3}));
  spec.mutable_pipeline()->set_schedule("paci");
  EXPECT_LE(peak(TrainThere(spec, {2, 3})), 1.02 * flush);
}

}  // namespace
}  // namespace paci
