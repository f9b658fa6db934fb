// Where the time goes when a device works beside its host.
#include "worker/stage/activity_book.h"

#include <gtest/gtest.h>

#include "worker/stage/emulated_compute.h"

namespace paci {
namespace {

// Its actions take what the test says, and are over when it says so.
class BesideCompute final : public StageCompute {
 public:
  bool RunsAhead() const override { return true; }
  std::vector<ActionTime> TakeTimes(bool all) override {
    if (all) over_.insert(over_.end(), still_.begin(), still_.end());
    return std::exchange(over_, {});
  }
  absl::Status Prepare(int, int) override { return absl::OkStatus(); }
  uint64_t parameter_count() const override { return 0; }
  size_t activation_bytes() const override { return 0; }
  absl::Span<std::byte> Input(int) override { return {}; }
  absl::Span<std::byte> OutputGradient(int) override { return {}; }
  absl::StatusOr<absl::Span<const std::byte>> Forward(Action, int) override { return Nothing(); }
  absl::StatusOr<absl::Span<const std::byte>> Backward(Action, int, int) override {
    return Nothing();
  }
  absl::Status BackwardWeights(int64_t, int) override { return absl::OkStatus(); }
  absl::StatusOr<StepResult> Step(int64_t) override { return StepResult(); }
  absl::StatusOr<absl::Span<const std::byte>> Evaluate(Action, int) override { return Nothing(); }
  double TakeEvaluationLoss() override { return 0; }
  absl::Status Snapshot(int64_t) override { return absl::OkStatus(); }
  absl::StatusOr<v1::CheckpointPart> WriteSnapshot(uint64_t) override {
    return v1::CheckpointPart();
  }
  absl::Status CopyState(int64_t, StateCopy&) override { return absl::OkStatus(); }
  absl::Span<const float> WeightSample() override { return {}; }

  std::vector<ActionTime> over_;
  std::vector<ActionTime> still_;

 private:
  static absl::Span<const std::byte> Nothing() { return {}; }
};

TEST(ActivityBook, CountsTheDevicesTimeAndWhatTheHostWaitedForWhileItWasIdle) {
  BesideCompute compute;
  StageMonitor monitor{v1::StageStatus()};
  ActivityBook book(&compute, &monitor);
  book.Begin();
  const SpanKey forward = {v1::SPAN_KIND_FORWARD, 0};
  const SpanKey backward = {v1::SPAN_KIND_BACKWARD, 0};
  const SpanKey wait = {v1::SPAN_KIND_WAIT_GRADIENT, 0};
  book.BookAction(Activity::kForward, forward);
  compute.over_ = {{0, 0, 2}};
  book.Book(Activity::kWaitGradient, wait);
  book.BookAction(Activity::kBackward, backward);
  v1::ActivitySeconds seconds = monitor.Status().activity();
  EXPECT_DOUBLE_EQ(seconds.forward(), 2);
  EXPECT_DOUBLE_EQ(seconds.backward(), 0);
  compute.still_ = {{5, 3, 4}};
  book.Settle();
  seconds = monitor.Status().activity();
  EXPECT_DOUBLE_EQ(seconds.wait_gradient(), 3);
  EXPECT_DOUBLE_EQ(seconds.backward(), 4);
  EXPECT_DOUBLE_EQ(seconds.other(), 0);
}

}  // namespace
}  // namespace paci
