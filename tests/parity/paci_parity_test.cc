// PACI with one stage is plain gradient accumulation; in strict order it is reproducible bit for
// bit.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "common/schedule/presets.h"
#include "tests/parity/small_job.h"
#include "worker/compute/stage_model.h"
#include "worker/data/batch_source.h"
#include "worker/model/cross_entropy.h"
#include "worker/optimizer/adamw.h"
#include "worker/optimizer/learning_rate.h"

namespace paci {
namespace {

constexpr uint32_t kAccumulation = 3;

// The definition: for every update, the gradients of `a` micro-batches' loss / a, then a step.
std::vector<double> AccumulateGradients(const v1::JobSpec& spec) {
  at::set_num_threads(1);
  StageModel model(spec, 0, UnitCount(spec.model()));
  AdamW optimizer(spec.optimizer(), model.parameters());
  const auto batches = BatchSource::Open(spec).value();
  const int64_t rows = spec.pipeline().micro_batch(), context = spec.model().context();
  std::vector<double> losses;
  for (int64_t update = 0; update < static_cast<int64_t>(spec.train().updates()); ++update) {
    double sum = 0;
    for (int64_t i = 0; i < kAccumulation; ++i) {
      const absl::Span<const int64_t> ids = batches->Training(update * kAccumulation + i).value();
      const at::Tensor batch =
          at::from_blob(const_cast<int64_t*>(ids.data()), {rows, context + 1}, at::kLong).clone();
      const at::Tensor logits = model.Forward(batch.narrow(1, 0, context), std::nullopt);
      const at::Tensor loss = CrossEntropy(logits, batch.narrow(1, 1, context));
      sum += loss.item<double>();
      torch::autograd::backward({loss / static_cast<double>(kAccumulation)});
    }
    losses.push_back(sum / kAccumulation);
    optimizer.Step(update, LearningRateAt(spec, update));
    for (const Parameter& p : model.parameters()) p.tensor.mutable_grad().reset();
  }
  return losses;
}

TEST(PaciParity, OneStageIsPlainGradientAccumulation) {
  SmallData data;
  const v1::JobSpec spec = SmallJob(data, "paci", kAccumulation);
  const RunResult paci = Train(spec, {5});
  EXPECT_EQ(paci.losses, AccumulateGradients(spec));
  EXPECT_EQ(paci.stages[0].lag().bound(), 0u);
}

TEST(PaciParity, StrictGivesTheSameBitsWhateverTheNetworkDoes) {
  SmallData data;
  const v1::JobSpec spec = SmallJob(data, "paci", kAccumulation);
  const RunResult calm = Train(spec, {2, 1, 1, 1});
  for (uint64_t seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    const RunResult delayed = Train(spec, {2, 1, 1, 1}, seed);
    EXPECT_EQ(delayed.losses, calm.losses);
    EXPECT_EQ(delayed.validation_losses, calm.validation_losses);
    EXPECT_EQ(delayed.checksums, calm.checksums);
  }
}

// What every system promises on the real runtime: it learns, and keeps its own bounds.
TEST(EverySystem, LearnsOverFourStagesWithinItsBounds) {
  SmallData data;
  for (const Preset& preset : Presets()) {
    SCOPED_TRACE(std::string(preset.name));
    const uint32_t a = preset.only_without_accumulation ? 1 : 2;
    v1::JobSpec spec = SmallJob(data, std::string(preset.name), a);
    spec.mutable_pipeline()->set_order(v1::ORDER_DRAIN_FIRST);
    spec.mutable_train()->set_updates(48 / a);
    spec.mutable_optimizer()->set_lr(5e-3);
    const RunResult run = Train(spec, {2, 1, 1, 1}, /*delay_seed=*/1);
    ASSERT_EQ(run.losses.size(), 48 / a);
    EXPECT_LT(run.losses.back(), run.losses.front() - 1);
    EXPECT_LT(run.validation_losses.rbegin()->second, run.validation_losses.at(0) - 1);
    for (const v1::StageStatus& stage : run.stages) {
      EXPECT_LE(stage.lag().counts_size(), static_cast<int>(stage.lag().bound()) + 1);
    }
  }
}

// The weights that a policy holds beside the weights: none, up to N - i versions, or one or two
// copies.
TEST(EverySystem, HoldsTheCopiesOfItsDefinition) {
  SmallData data;
  const auto copies = [&](const std::string& schedule) {
    v1::JobSpec spec = SmallJob(data, schedule, 1);
    spec.mutable_train()->set_eval_every(0);
    std::vector<double> all;
    for (const v1::StageStatus& stage : Train(spec, {2, 1, 1, 1}).stages) {
      all.push_back(static_cast<double>(stage.policy_bytes()) /
                    (4.0 * static_cast<double>(stage.parameters())));
    }
    return all;
  };
  EXPECT_EQ(copies("paci"), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(copies("nesterov"), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(copies("pipedream"), (std::vector<double>{3, 2, 1, 0}));
  EXPECT_EQ(copies("pipedream-2bw"), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(copies("pipeoptim"), (std::vector<double>{1, 1, 1, 1}));
  EXPECT_EQ(copies("pipemare"), (std::vector<double>{2, 2, 2, 2}));
}

TEST(PaciParity, LearnsOverFourStagesWithLagsWithinTheirBounds) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "paci", 2);
  spec.mutable_pipeline()->set_order(v1::ORDER_DRAIN_FIRST);
  const RunResult run = Train(spec, {2, 1, 1, 1}, /*delay_seed=*/1);
  EXPECT_LT(run.losses.back(), run.losses.front() - 1);
  const uint64_t bounds[] = {2, 1, 1, 0};
  bool has_lag = false;
  for (size_t i = 0; i < 4; ++i) {
    const v1::LagStatus& lag = run.stages[i].lag();
    EXPECT_EQ(lag.bound(), bounds[i]);
    EXPECT_LE(lag.counts_size(), static_cast<int>(bounds[i]) + 1) << "stage " << i;
    has_lag = has_lag || lag.counts_size() > 1;
    uint64_t backwards = 0;
    for (const uint64_t count : lag.counts()) backwards += count;
    EXPECT_EQ(backwards, 48u);
  }
  EXPECT_TRUE(has_lag);
}

}  // namespace
}  // namespace paci
