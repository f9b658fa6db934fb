// Every schedule over the links of GPUs, which are simulated: the stage loop's sends and receives
// never wait for each other in a circle, and the bits are those of any other network.
#include <gtest/gtest.h>

#include "common/schedule/presets.h"
#include "tests/parity/small_job.h"
#include "tests/unit/transport/gpu_networks.h"

namespace paci {
namespace {

class GpuLinks : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Schedules, GpuLinks, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const Preset& preset : Presets()) names.emplace_back(preset.name);
                           return names;
                         }()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(GpuLinks, TrainAsAnyOtherNetworkDoes) {
  SmallData data;
  const absl::StatusOr<Preset> preset = FindPreset(GetParam());
  v1::JobSpec spec = SmallJob(data, GetParam(), preset->only_without_accumulation ? 1 : 2);
  if (preset->order == Order::kInterleaved) spec.mutable_pipeline()->set_chunks(2);
  spec.mutable_train()->set_updates(8);
  const std::vector<uint32_t> parts = {2, 1, 1, 1};
  const RunResult in_memory = Train(spec, parts);
  ASSERT_EQ(in_memory.losses.size(), 8u);
  for (const Network& network : {NcclNetwork(/*seed=*/3), StagedNetwork(/*seed=*/3)}) {
    SCOPED_TRACE(network.name);
    const RunResult run = Train(spec, parts, std::nullopt, nullptr, nullptr, network.make());
    EXPECT_EQ(run.losses, in_memory.losses);
    EXPECT_EQ(run.validation_losses, in_memory.validation_losses);
    EXPECT_EQ(run.checksums, in_memory.checksums);
  }
}

}  // namespace
}  // namespace paci
