// A head that is tied to the embedding: exact under a flush wherever the model is cut, reproducible
// under paci, and as late as the first stage is.
#include "worker/compute/tied_head.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/schedule_config.h"
#include "tests/parity/small_job.h"
#include "worker/compute/stage_model.h"

namespace paci {
namespace {

v1::JobSpec TiedJob(SmallData& data, const std::string& schedule, uint32_t accumulation) {
  v1::JobSpec spec = SmallJob(data, schedule, accumulation);
  spec.mutable_model()->set_tied_head(true);
  return spec;
}

void ExpectNear(const RunResult& run, const RunResult& reference) {
  ASSERT_EQ(run.losses.size(), reference.losses.size());
  for (size_t i = 0; i < run.losses.size(); ++i) {
    EXPECT_NEAR(run.losses[i], reference.losses[i], 2e-4) << "update " << i;
  }
  for (const auto& [update, loss] : reference.validation_losses) {
    EXPECT_NEAR(run.validation_losses.at(update), loss, 2e-4) << "after update " << update;
  }
}

// One stage has one matrix, whose gradients autograd adds up in another order.
TEST(TiedHead, IsExactUnderAFlushWhereverTheModelIsCut) {
  SmallData data;
  for (const bool is_llama : {false, true}) {
    for (const char* schedule : {"1f1b", "gpipe"}) {
      SCOPED_TRACE(absl::StrCat(schedule, is_llama ? ", llama" : ""));
      v1::JobSpec spec = TiedJob(data, schedule, 3);
      if (is_llama) MakeLlama(spec);
      const RunResult one_stage = Train(spec, {5});
      const RunResult two = Train(spec, {3, 2});
      ExpectNear(two, one_stage);
      const RunResult four = Train(spec, {2, 1, 1, 1}, /*delay_seed=*/1);
      EXPECT_EQ(four.losses, two.losses);
      EXPECT_EQ(four.validation_losses, two.validation_losses);
      EXPECT_EQ(four.checksums, two.checksums);
      EXPECT_LT(two.losses.back(), two.losses.front() - 0.5);
      spec.mutable_model()->set_tied_head(false);
      EXPECT_GT(std::abs(Train(spec, {5}).losses.back() - one_stage.losses.back()), 1e-3);
    }
  }
}

// With a stage of the head alone.
TEST(TiedHead, TakesPrecisionsRecomputationAndMuonAsTheyAre) {
  SmallData data;
  v1::JobSpec spec = TiedJob(data, "1f1b", 2);
  spec.mutable_optimizer()->set_name("muon");
  spec.mutable_pipeline()->set_recompute(v1::RECOMPUTE_FULL);
  ExpectNear(Train(spec, {3, 2}), Train(spec, {5}));
  spec.mutable_train()->set_precision(v1::PRECISION_BF16);
  const RunResult two = Train(spec, {3, 2});
  EXPECT_EQ(Train(spec, {2, 1, 1, 1}).losses, two.losses);
  EXPECT_NEAR(two.losses.back(), Train(spec, {5}).losses.back(), 0.05);
}

TEST(TiedHead, UnderPaciInStrictOrderHasTheSameBitsWhateverTheNetworkDoes) {
  SmallData data;
  for (const uint32_t accumulation : {1, 2}) {
    SCOPED_TRACE(accumulation);
    const v1::JobSpec spec = TiedJob(data, "paci", accumulation);
    const RunResult calm = Train(spec, {2, 1, 1, 1});
    EXPECT_LT(calm.losses.back(), calm.losses.front() - 0.5);
    for (uint64_t seed = 0; seed < 3; ++seed) {
      const RunResult delayed = Train(spec, {2, 1, 1, 1}, seed);
      EXPECT_EQ(delayed.losses, calm.losses);
      EXPECT_EQ(delayed.checksums, calm.checksums);
    }
  }
}

// The ends of three stages and the one between, without passes.
class ThreeTiedStages : public testing::Test {
 protected:
  static constexpr int kSlots = 4;

  ThreeTiedStages() {
    spec_ = TiedJob(data_, "paci", 2);
    spec_.mutable_pipeline()->set_stages(3);
    spec_.mutable_train()->set_eval_batches(3);
    const std::vector<int64_t> shape = {spec_.model().vocabulary(), spec_.model().hidden()};
    parameters_.reserve(3);
    for (int64_t stage = 0; stage < 3; ++stage) {
      parameters_.emplace_back("w", at::zeros(shape).set_requires_grad(true), true);
      schedules_.push_back(MakeSchedule(ScheduleConfigOf(spec_, stage), stage));
      heads_.push_back(std::make_unique<TiedHead>(
          spec_, *schedules_.back(), stage == 1 ? nullptr : &parameters_[stage], at::kCPU));
      heads_.back()->Prepare(kSlots, /*returns=*/2);
    }
  }

  // Whether something went with the frame.
  static bool Move(absl::Span<const std::byte> from, absl::Span<std::byte> into) {
    EXPECT_EQ(from.size(), into.size());
    if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
    return !from.empty();
  }

  bool PassDown(Action action, int slot) {
    bool moved = false;
    for (int stage = 0; stage < 3; ++stage) {
      const absl::Span<std::byte> into = heads_[stage]->Input(action, slot);
      if (stage > 0) moved = Move(heads_[stage - 1]->Output(action, slot), into);
    }
    EXPECT_EQ(heads_[2]->OnInput(action, slot), moved);
    return moved;
  }

  bool PassUp(Action action, int slot) {
    bool moved = false;
    for (int stage = 2; stage >= 0; --stage) {
      const absl::Span<std::byte> into = heads_[stage]->OutputGradient(action, 0);
      if (stage < 2) moved = Move(heads_[stage + 1]->Gradient(action, slot), into);
      heads_[stage]->OnBackward(action, slot, 0);
    }
    return moved;
  }

  double Copy() const { return parameters_[2].master.max().item<double>(); }

  SmallData data_;
  v1::JobSpec spec_;
  std::vector<Parameter> parameters_;
  std::vector<std::unique_ptr<Schedule>> schedules_;
  std::vector<std::unique_ptr<TiedHead>> heads_;
};

TEST_F(ThreeTiedStages, TheMatrixGoesDownWithFirstMicroBatchesAsItIsThen) {
  parameters_[0].master.fill_(1);
  EXPECT_TRUE(PassDown({ActionKind::kEvaluate, 0}, 0));
  EXPECT_EQ(Copy(), 1);
  EXPECT_FALSE(PassDown({ActionKind::kEvaluate, 2}, 1));
  parameters_[0].master.fill_(2);
  EXPECT_TRUE(PassDown({ActionKind::kForward, 0}, 2));
  EXPECT_EQ(Copy(), 2);
  parameters_[0].master.fill_(3);
  EXPECT_FALSE(PassDown({ActionKind::kForward, 1}, 3));
  EXPECT_EQ(Copy(), 2) << "of the update's first micro-batch";
  EXPECT_TRUE(PassDown({ActionKind::kForward, 2}, 0));
  EXPECT_TRUE(PassDown({ActionKind::kEvaluate, 3}, 0));
  EXPECT_EQ(Copy(), 3);
}

// What is on its way is as it was, whatever the owner does meanwhile.
TEST_F(ThreeTiedStages, AMatrixOnItsWayDoesNotChange) {
  parameters_[0].master.fill_(1);
  const absl::Span<const std::byte> sent = heads_[0]->Output({ActionKind::kForward, 0}, 0);
  parameters_[0].master.fill_(2);
  float first = 0;
  std::memcpy(&first, sent.data(), sizeof first);
  EXPECT_EQ(first, 1);
}

TEST_F(ThreeTiedStages, TheGradientOfAnUpdateGoesUpWithItsLastMicroBatchAndIsAdded) {
  at::Tensor& gradient = parameters_[2].tensor.mutable_grad();
  gradient = at::ones_like(parameters_[2].tensor);
  EXPECT_FALSE(PassUp({ActionKind::kBackward, 0}, 0));
  gradient.add_(2);
  EXPECT_TRUE(PassUp({ActionKind::kBackward, 1}, 1));
  EXPECT_FALSE(parameters_[2].tensor.grad().defined()) << "it counts once";
  parameters_[0].tensor.mutable_grad() = at::full_like(parameters_[0].tensor, 10);
  heads_[0]->AddGradient();
  EXPECT_EQ(parameters_[0].tensor.grad().min().item<double>(), 13);
  EXPECT_EQ(parameters_[0].tensor.grad().max().item<double>(), 13);
}

TEST_F(ThreeTiedStages, WhereSumsAreKeptApartTheyAreWhatGoesUp) {
  for (Parameter& parameter : parameters_) parameter.sum = at::full_like(parameter.master, 5);
  EXPECT_TRUE(PassUp({ActionKind::kBackward, 1}, 0));
  EXPECT_EQ(parameters_[2].sum.abs().max().item<double>(), 0) << "it counts once";
  heads_[0]->AddGradient();
  EXPECT_EQ(parameters_[0].sum.min().item<double>(), 10);
}

}  // namespace
}  // namespace paci
