// BFloat16 on the CPU: how near it is to float32, and what of it stays float32.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "common/checkpoint/checkpoint.h"
#include "common/config/checkpoint_directory.h"
#include "tests/parity/small_job.h"
#include "worker/compute/stage_model.h"
#include "worker/model/cross_entropy.h"

namespace paci {
namespace {

using ::testing::DoubleNear;
using ::testing::Pointwise;

constexpr char kJobId[] = "test-1";

v1::JobSpec JobOf(SmallData& data, v1::Precision precision, const std::string& schedule = "paci") {
  v1::JobSpec spec = SmallJob(data, schedule, 3);
  spec.mutable_train()->set_precision(precision);
  return spec;
}

// Losses of about 5.6 that come down to about 3; BFloat16 has 8 bits.
TEST(Precision, ARunInBfloat16StaysNearOneInFloat32) {
  SmallData data;
  const RunResult fp32 = Train(JobOf(data, v1::PRECISION_FP32), {2, 1, 1, 1});
  for (const v1::Precision precision : {v1::PRECISION_BF16_AUTOCAST, v1::PRECISION_BF16}) {
    SCOPED_TRACE(v1::Precision_Name(precision));
    const RunResult run = Train(JobOf(data, precision), {2, 1, 1, 1});
    EXPECT_THAT(run.losses, Pointwise(DoubleNear(0.05), fp32.losses));
    EXPECT_NE(run.losses, fp32.losses);
    EXPECT_LT(run.losses.back(), run.losses.front() - 1);
  }
}

TEST(Precision, ALlamaInBfloat16StaysNearOneInFloat32) {
  SmallData data;
  v1::JobSpec fp32 = JobOf(data, v1::PRECISION_FP32);
  MakeLlama(fp32);
  const RunResult reference = Train(fp32, {2, 3});
  for (const v1::Precision precision : {v1::PRECISION_BF16_AUTOCAST, v1::PRECISION_BF16}) {
    v1::JobSpec spec = JobOf(data, precision);
    MakeLlama(spec);
    EXPECT_THAT(Train(spec, {2, 3}).losses, Pointwise(DoubleNear(0.06), reference.losses));
  }
}

// The gradient is written in BFloat16 without LibTorch's steps in float32 between.
TEST(Precision, TheLossOfBfloat16LogitsHasTheValueAndGradientOfFloat32s) {
  const at::Tensor logits = at::randn({2, 3, 50}, at::kFloat).mul_(4).to(at::kBFloat16);
  const at::Tensor targets = at::randint(0, 50, {2, 3}, at::kLong);
  const auto both = [&](at::ScalarType type) {
    at::Tensor leaf =
        logits.to(type, /*non_blocking=*/false, /*copy=*/true).set_requires_grad(true);
    const at::Tensor loss = CrossEntropy(leaf, targets);
    (3 * loss).backward();
    return std::pair(loss.item<double>(), leaf.grad().to(at::kFloat));
  };
  const auto [loss, gradient] = both(at::kBFloat16);
  const auto [reference, reference_gradient] = both(at::kFloat);
  EXPECT_NEAR(loss, reference, 1e-6);
  // Twice rounded to 8 bits.
  EXPECT_TRUE(at::allclose(gradient, reference_gradient, /*rtol=*/1.0 / 128, /*atol=*/1e-6));
}

TEST(Precision, AFlushInBfloat16HasTheBitsOfOneStage) {
  SmallData data;
  for (const v1::Precision precision : {v1::PRECISION_BF16_AUTOCAST, v1::PRECISION_BF16}) {
    SCOPED_TRACE(v1::Precision_Name(precision));
    const v1::JobSpec spec = JobOf(data, precision, "1f1b");
    const RunResult one = Train(spec, {5});
    const RunResult four = Train(spec, {2, 1, 1, 1});
    EXPECT_EQ(four.losses, one.losses);
    EXPECT_EQ(four.checksums, one.checksums);
  }
}

// Zero Bubble's weight halves, recomputation and the policies that hold versions all run on it.
TEST(Precision, EverySortOfScheduleLearnsInBfloat16) {
  SmallData data;
  for (const char* schedule :
       {"zb-h1", "zb-2p", "pipedream", "pipedream-2bw", "pipeoptim", "nesterov"}) {
    SCOPED_TRACE(schedule);
    v1::JobSpec spec = JobOf(data, v1::PRECISION_BF16, schedule);
    spec.mutable_optimizer()->set_lr(5e-3);
    const RunResult run = Train(spec, {2, 1, 1, 1});
    EXPECT_LT(run.losses.back(), run.losses.front() - 1);
  }
  for (const v1::Recompute recompute : {v1::RECOMPUTE_SELECTIVE, v1::RECOMPUTE_FULL}) {
    for (const v1::Precision precision : {v1::PRECISION_BF16_AUTOCAST, v1::PRECISION_BF16}) {
      v1::JobSpec spec = JobOf(data, precision);
      spec.mutable_pipeline()->set_recompute(recompute);
      EXPECT_LT(Train(spec, {3, 2}).losses.back(), 4.6);
    }
  }
}

// Gradients of many micro-batches are summed in float32: the sum of ones that BFloat16 would lose
// after 256 of them.
TEST(Precision, GradientsAreSummedInFloat32) {
  SmallData data;
  StageModel model(JobOf(data, v1::PRECISION_BF16), 1, 2);
  const std::vector<Parameter> parameters = model.parameters();
  const Parameter& parameter = parameters.front();
  ASSERT_EQ(parameter.tensor.scalar_type(), at::kBFloat16);
  for (int i = 0; i < 400; ++i) {
    parameter.tensor.mutable_grad() = at::ones_like(parameter.tensor);
    model.SumGradients();
  }
  EXPECT_TRUE(parameter.gradient().eq(400).all().item<bool>());
  EXPECT_FALSE(parameter.tensor.grad().defined());
}

// A step that BFloat16 cannot see is not lost: it is in the master.
TEST(Precision, SmallStepsAddUpInTheMasters) {
  SmallData data;
  StageModel model(JobOf(data, v1::PRECISION_BF16), 1, 2);
  const std::vector<Parameter> parameters = model.parameters();
  const at::Tensor& norm = parameters.front().tensor;  // ones
  for (int i = 0; i < 100; ++i) {
    at::Tensor(parameters.front().master).add_(1e-4);
    model.TakeMasters();
    if (i == 0) {
      EXPECT_TRUE(norm.eq(1).all().item<bool>());
    }
  }
  EXPECT_NEAR(norm[0].item<double>(), 1.01, 0.004);
}

TEST(Precision, AJobGoesOnInAnotherPrecision) {
  SmallData data;
  v1::JobSpec spec = JobOf(data, v1::PRECISION_BF16);
  spec.mutable_checkpoint()->set_every(8);
  spec.mutable_checkpoint()->set_keep(3);
  const RunResult whole = Train(spec, {3, 2});
  v1::CommitCheckpoint command;
  command.mutable_key()->set_job_id(kJobId);
  command.mutable_key()->set_generation(1);
  command.set_update(16);
  *command.mutable_files() = whole.checkpoints.at(16).files();
  ASSERT_EQ(CommitManifest(spec, command), absl::OkStatus());
  v1::Checkpoint checkpoint;
  checkpoint.set_directory(CheckpointDirectory(spec, kJobId, {16, 1}));
  checkpoint.set_update(16);
  // In its own precision bit for bit.
  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  const RunResult same = Train(spec, {3, 2}, std::nullopt, nullptr, &checkpoint);
  EXPECT_EQ(same.checksums, whole.checksums);
  spec.mutable_train()->set_precision(v1::PRECISION_FP32);
  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  const RunResult other = Train(spec, {3, 2}, std::nullopt, nullptr, &checkpoint);
  EXPECT_THAT(other.losses, Pointwise(DoubleNear(0.05), same.losses));
}

}  // namespace
}  // namespace paci
