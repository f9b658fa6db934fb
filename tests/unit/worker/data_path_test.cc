// Which way activations and gradients go between two stages.
#include <gtest/gtest.h>

#include "worker/agent/stage_connector.h"

namespace paci {
namespace {

v1::PrepareStage CommandOf(const std::string& gpu, const std::string& other_gpu) {
  v1::PrepareStage command;
  command.mutable_spec()->mutable_train()->set_device("cuda");
  command.add_assignments()->set_gpu_id(gpu);
  command.add_assignments()->set_gpu_id(other_gpu);
  return command;
}

TEST(DataPath, GoesFromGpuToGpuBetweenTwoOfThem) {
  const v1::PrepareStage command = CommandOf("GPU-a", "GPU-b");
  EXPECT_EQ(DataPathOf(command, 0, 1), DataPath::kNccl);
  EXPECT_EQ(DataPathOf(command, 1, 0), DataPath::kNccl);
}

TEST(DataPath, GoesThroughTheHostWhereNcclCannotOrShallNot) {
  EXPECT_EQ(DataPathOf(CommandOf("GPU-a", "GPU-a"), 0, 1), DataPath::kStaged);
  EXPECT_EQ(DataPathOf(CommandOf("GPU-a", ""), 0, 1), DataPath::kStaged);
  v1::PrepareStage encrypted = CommandOf("GPU-a", "GPU-b");
  encrypted.mutable_spec()->mutable_pipeline()->set_data_tls(true);
  EXPECT_EQ(DataPathOf(encrypted, 0, 1), DataPath::kStaged);
  v1::PrepareStage asked = CommandOf("GPU-a", "GPU-b");
  asked.mutable_spec()->mutable_pipeline()->set_gpu_transport(v1::GPU_TRANSPORT_HOST);
  EXPECT_EQ(DataPathOf(asked, 0, 1), DataPath::kStaged);
}

TEST(DataPath, NeedsNoGpuForStagesOnTheCpuOrEmulatedOnes) {
  v1::PrepareStage on_cpu = CommandOf("", "");
  on_cpu.mutable_spec()->mutable_train()->set_device("cpu");
  EXPECT_EQ(DataPathOf(on_cpu, 0, 1), DataPath::kHost);
  v1::PrepareStage emulated = CommandOf("GPU-a", "GPU-b");
  emulated.mutable_spec()->mutable_emulation();
  EXPECT_EQ(DataPathOf(emulated, 0, 1), DataPath::kHost);
}

}  // namespace
}  // namespace paci
