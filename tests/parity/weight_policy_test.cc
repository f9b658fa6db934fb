// Predictions and corrections against small examples worked by hand: one weight, on which AdamW
// without decay moves by the learning rate times a direction that can be written down.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "common/config/schedule_config.h"
#include "common/schedule/presets.h"
#include "worker/compute/stage_passes.h"
#include "worker/compute/stage_weights.h"
#include "worker/optimizer/nadamw.h"

namespace paci {
namespace {

// Three stages, a = 1: the first stage's lag is 2. A constant learning rate of 0.5.
v1::JobSpec OneWeightJob(const std::string& schedule) {
  v1::JobSpec spec;
  spec.mutable_pipeline()->set_schedule(schedule);
  spec.mutable_pipeline()->set_stages(3);
  spec.mutable_pipeline()->set_accumulation(1);
  spec.mutable_pipeline()->set_order(v1::ORDER_STRICT);
  spec.mutable_optimizer()->set_lr(0.5);
  spec.mutable_optimizer()->set_lr_floor(1);
  spec.mutable_optimizer()->set_beta1(0.9);
  spec.mutable_optimizer()->set_beta2(0.9);
  spec.mutable_optimizer()->set_eps(1e-12);
  spec.mutable_optimizer()->set_correction_decay(0.25);
  spec.mutable_optimizer()->set_rescale_updates(4);
  spec.mutable_train()->set_updates(100);
  return spec;
}

class OneWeight {
 public:
  OneWeight(const std::string& schedule, int64_t stage)
      : spec_(OneWeightJob(schedule)),
        parameters_({{"w", at::full({1}, 10.0).to(at::kFloat).set_requires_grad(true), false}}),
        schedule_(MakeSchedule(ScheduleConfigOf(spec_), stage)),
        optimizer_(MakeOptimizer(spec_, *schedule_, parameters_)),
        policy_(MakeStageWeights(spec_, *schedule_, parameters_, optimizer_.get())) {}

  double now() const { return parameters_[0].tensor.item<double>(); }
  double SeenByForward(int64_t micro_batch) {
    double seen = 0;
    policy_->Forward(micro_batch, [&] { seen = now(); });
    return seen;
  }
  double SeenByBackward(int64_t micro_batch) {
    double seen = 0;
    policy_->Backward(micro_batch, [&] { seen = now(); });
    return seen;
  }
  // With a constant gradient AdamW's direction is 1: the weight falls by the learning rate.
  void Step(int64_t update) {
    parameters_[0].tensor.mutable_grad() = at::ones({1});
    policy_->Step(update, [&] { optimizer_->Step(update, 0.5); });
  }
  void Skip(int64_t update) {
    policy_->Step(update, [] {});
  }
  const StageWeights& policy() const { return *policy_; }

 private:
  const v1::JobSpec spec_;
  const std::vector<Parameter> parameters_;
  const std::unique_ptr<Schedule> schedule_;
  const std::unique_ptr<Optimizer> optimizer_;
  const std::unique_ptr<StageWeights> policy_;
};

// What CheckResumableBy goes by.
TEST(StateOf, SaysWhichPoliciesPutTensorsIntoACheckpoint) {
  for (const Preset& preset : Presets()) {
    const OneWeight weight(std::string(preset.name), 0);
    EXPECT_EQ(StateOf(preset.weights).empty(), weight.policy().State().empty()) << preset.name;
  }
}

TEST(Prediction, IsWhereTheForwardsBackwardWillFindTheWeights) {
  OneWeight weight("pipeoptim", 0);
  EXPECT_EQ(weight.SeenByForward(0), 10);  // nothing is known of a direction yet
  EXPECT_EQ(weight.SeenByForward(1), 10);
  EXPECT_EQ(weight.SeenByForward(2), 10);
  EXPECT_EQ(weight.SeenByBackward(0), 10);
  weight.Step(0);
  EXPECT_NEAR(weight.now(), 9.5, 1e-5);
  // Micro-batch 3 will be the fourth to come back: two updates from now, at 0.5 each.
  EXPECT_NEAR(weight.SeenByForward(3), 8.5, 1e-5);
  EXPECT_NEAR(weight.now(), 9.5, 1e-5);
  EXPECT_NEAR(weight.SeenByBackward(1), 9.5, 1e-5);
  weight.Step(1);
  weight.SeenByBackward(2);
  weight.Step(2);
  EXPECT_NEAR(weight.SeenByBackward(3), 8.5, 1e-5);
}

// An update whose gradient is not finite is counted and not applied.
TEST(Prediction, IsThePresentAsLongAsEveryUpdateWasSkipped) {
  OneWeight weight("pipeoptim", 0);
  weight.SeenByForward(0);
  weight.SeenByBackward(0);
  weight.Skip(0);
  EXPECT_EQ(weight.SeenByForward(3), 10);
  EXPECT_EQ(weight.now(), 10);
}

TEST(Prediction, OfSpecTrainGoesOnForTheStagesThatAreStillToCome) {
  OneWeight weight("spectrain", 2);
  weight.SeenByForward(0);
  weight.SeenByBackward(0);
  weight.Step(0);
  // Half of the two stages before it, in updates.
  EXPECT_NEAR(weight.SeenByForward(1), 9.0, 1e-5);
  EXPECT_NEAR(weight.SeenByBackward(1), 9.0, 1e-5);
  EXPECT_NEAR(weight.now(), 9.5, 1e-5);
}

TEST(Correction, GoesBackAlongTheMeanChangeForEveryUpdateOfLag) {
  OneWeight weight("pipemare", 0);
  for (int64_t m = 0; m < 3; ++m) weight.SeenByForward(m);
  EXPECT_EQ(weight.SeenByBackward(0), 10);
  weight.Step(0);
  // The decay is 0.25^(1/2) = 0.5: the mean change is half of -0.5 after one update, and after two
  // it is 0.5 * -0.25 + 0.5 * -0.5.
  EXPECT_NEAR(weight.SeenByBackward(1), 9.5 + 1 * 0.25, 1e-5);
  weight.Step(1);
  EXPECT_NEAR(weight.SeenByBackward(2), 9.0 + 2 * 0.375, 1e-5);
  EXPECT_NEAR(weight.now(), 9.0, 1e-5);
}

TEST(Correction, LetsTheLearningRateOfADelayedStageRise) {
  const OneWeight first("pipemare", 0), last("pipemare", 2);
  EXPECT_DOUBLE_EQ(first.policy().LearningRateScale(0), 0.5);  // a delay of 2
  EXPECT_DOUBLE_EQ(first.policy().LearningRateScale(2), std::sqrt(0.5));
  EXPECT_DOUBLE_EQ(first.policy().LearningRateScale(4), 1);
  EXPECT_DOUBLE_EQ(first.policy().LearningRateScale(40), 1);
  EXPECT_DOUBLE_EQ(last.policy().LearningRateScale(0), 1);
}

// The recurrences of nadamw.h in double precision.
TEST(NAdamW, IsItsDefinition) {
  v1::OptimizerSpec spec = OneWeightJob("nesterov").optimizer();
  spec.set_beta1(0.99);
  spec.set_beta2(0.95);
  spec.set_eps(1e-3);
  spec.set_weight_decay(0.1);
  std::vector<Parameter> parameters = {
      {"w", at::full({1}, 2.0).to(at::kFloat).set_requires_grad(true), true}};
  NAdamW optimizer(spec, parameters);
  double w = 2, m = 0, v = 0, product = 1;
  const auto momentum = [](int t) { return 0.99 * (1 - 0.5 * std::pow(0.96, 0.004 * t)); };
  for (int t = 1; t <= 20; ++t) {
    const double g = std::sin(t), lr = 0.01 * t;
    product *= momentum(t);
    m = 0.99 * m + 0.01 * g;
    v = 0.95 * v + 0.05 * g * g;
    const double ahead = momentum(t + 1) * m / (1 - product * momentum(t + 1)) +
                         (1 - momentum(t)) * g / (1 - product);
    w = w * (1 - lr * 0.1) - lr * ahead / (std::sqrt(v / (1 - std::pow(0.95, t))) + 1e-3);
    parameters[0].tensor.mutable_grad() = at::full({1}, g).to(at::kFloat);
    optimizer.Step(t - 1, lr);
    ASSERT_NEAR(parameters[0].tensor.item<double>(), w, 2e-6) << "step " << t;
  }
}

// A recomputing backward runs on the weights of its own time, activations included; one that kept
// its activations runs the forward's activations through the new weights.
TEST(Recomputation, UsesTheWeightsOfTheBackward) {
  v1::JobSpec spec;
  spec.mutable_model()->set_layers(3);
  spec.mutable_model()->set_hidden(8);
  spec.mutable_model()->set_heads(2);
  spec.mutable_model()->set_context(4);
  spec.mutable_model()->set_vocabulary(256);
  const at::Tensor input = at::rand({2, 4, 8});
  const at::Tensor gradient = at::rand({2, 4, 8});
  // Gradients of the stage's weights when all weights grow by a tenth between forward and backward.
  const auto gradients = [&](v1::Recompute mode, bool grows_before_forward) {
    StageModel model(spec, 1, 3);
    const auto passes = MakeStagePasses(&model, model.chunk(0), 1, mode, /*splits_backward=*/false);
    const auto grow = [&] {
      for (const Parameter& p : model.parameters()) p.tensor.variable_data().mul_(1.1);
    };
    const at::Tensor x = input.clone().set_requires_grad(true);
    if (grows_before_forward) grow();
    passes->Forward(0, x, 0, [](const at::Tensor& y) { return y; });
    if (!grows_before_forward) grow();
    passes->Backward(0, gradient);
    std::vector<at::Tensor> all = {x.grad()};
    for (const Parameter& p : model.parameters()) all.push_back(p.tensor.grad());
    return all;
  };
  const auto plain = gradients(v1::RECOMPUTE_NONE, /*grows_before_forward=*/true);
  const auto full = gradients(v1::RECOMPUTE_FULL, false);
  const auto kept = gradients(v1::RECOMPUTE_NONE, false);
  bool kept_differs = false;
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_TRUE(at::equal(full[i], plain[i])) << i;
    kept_differs = kept_differs || !at::equal(kept[i], plain[i]);
  }
  EXPECT_TRUE(kept_differs);
}

}  // namespace
}  // namespace paci
