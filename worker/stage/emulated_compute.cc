#include "worker/stage/emulated_compute.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/schedule_config.h"

namespace paci {
namespace {

using Buffer = std::vector<std::byte>;

using Clock = std::chrono::steady_clock;

// A sleeper wakes a tenth of a millisecond late, which is a percent of a stage's cost: the end is
// waited for awake.
constexpr auto kAwake = std::chrono::microseconds(150);

void SleepFor(double seconds) {
  if (seconds <= 0) return;
  const auto end = Clock::now() + std::chrono::nanoseconds(std::llround(seconds * 1e9));
  std::this_thread::sleep_until(end - kAwake);
  while (Clock::now() < end) {
  }
}

class EmulatedCompute final : public StageCompute {
 public:
  EmulatedCompute(const v1::JobSpec& spec, int64_t stage)
      : costs_(spec.emulation()),
        activation_bytes_(std::max(sizeof(int64_t), sizeof(float) * spec.pipeline().micro_batch() *
                                                        spec.model().context() *
                                                        spec.model().hidden())),
        schedule_(MakeSchedule(ScheduleConfigOf(spec), stage)),
        chunks_(schedule_->config().chunks),
        learning_rate_(spec.optimizer().lr()) {}

  absl::Status Prepare(int slots, int returns) override {
    const bool has_upstream = !schedule_->is_first() || chunks_ > 1;
    const bool has_downstream = !schedule_->is_last() || chunks_ > 1;
    inputs_.assign(has_upstream ? slots : 0, Buffer(activation_bytes_));
    input_gradients_ = inputs_;
    outputs_.assign(has_downstream ? slots : 0, Buffer(activation_bytes_));
    output_gradients_.assign(has_downstream ? returns : 0, Buffer(activation_bytes_));
    return absl::OkStatus();
  }

  uint64_t parameter_count() const override { return 0; }
  size_t activation_bytes() const override { return activation_bytes_; }
  absl::Span<std::byte> Input(int slot) override { return absl::MakeSpan(inputs_[slot]); }
  absl::Span<std::byte> OutputGradient(int return_index) override {
    return absl::MakeSpan(output_gradients_[return_index]);
  }

  absl::StatusOr<absl::Span<const std::byte>> Forward(Action action, int slot) override {
    const int64_t receiver = action.chunk + (schedule_->is_last() ? 1 : 0);
    return Run("activation", costs_.forward_seconds(), action, receiver,
               schedule_->TakesFrame(action) ? &inputs_[slot] : nullptr,
               schedule_->MakesFrame(action) ? &outputs_[slot] : nullptr);
  }

  absl::StatusOr<absl::Span<const std::byte>> Backward(Action action, int slot,
                                                       int return_index) override {
    const double seconds =
        costs_.backward_seconds() - (schedule_->SplitsBackward() ? costs_.weights_seconds() : 0);
    const int64_t receiver = action.chunk - (schedule_->is_first() ? 1 : 0);
    return Run("gradient", seconds, action, receiver,
               schedule_->TakesFrame(action) ? &output_gradients_[return_index] : nullptr,
               schedule_->MakesFrame(action) ? &input_gradients_[slot] : nullptr);
  }

  absl::Status BackwardWeights(int64_t, int) override {
    SleepFor(costs_.weights_seconds());
    return absl::OkStatus();
  }

  absl::StatusOr<StepResult> Step(int64_t) override {
    SleepFor(costs_.update_seconds());
    StepResult result;
    result.learning_rate = learning_rate_;
    return result;
  }

  absl::StatusOr<absl::Span<const std::byte>> Evaluate(Action action, int slot) override {
    return Forward(action, slot);
  }
  double TakeEvaluationLoss() override { return 0; }

  absl::Status Snapshot(int64_t) override { return HasNoWeights(); }
  absl::StatusOr<v1::CheckpointPart> WriteSnapshot(uint64_t) override { return HasNoWeights(); }

  // Of nothing but the update.
  absl::Status CopyState(int64_t update, StateCopy& copy) override {
    copy.Take(static_cast<uint64_t>(update), {});
    return absl::OkStatus();
  }

  absl::Span<const float> WeightSample() override { return {}; }

 private:
  static absl::Status HasNoWeights() {
    return absl::UnimplementedError("an emulated stage has no weights to write");
  }

  // Of the stage's `seconds`, the chunk's share. A frame's first bytes name the pass that it is
  // for.
  absl::StatusOr<absl::Span<const std::byte>> Run(absl::string_view what, double seconds,
                                                  Action action, int64_t receiver,
                                                  const Buffer* from, Buffer* to) {
    if (from != nullptr) {
      int64_t carried = -1;
      std::memcpy(&carried, from->data(), sizeof(carried));
      if (carried != action.index * chunks_ + action.chunk) {
        return absl::DataLossError(absl::StrCat("the ", what, " of ", ToString(action),
                                                " carries the bytes of micro-batch ",
                                                carried / chunks_, ", chunk ", carried % chunks_));
      }
    }
    SleepFor(seconds / static_cast<double>(chunks_));
    if (to == nullptr) return absl::Span<const std::byte>();
    const int64_t carries = action.index * chunks_ + receiver;
    std::memcpy(to->data(), &carries, sizeof(carries));
    return absl::MakeConstSpan(*to);
  }

  const v1::EmulationSpec costs_;
  const size_t activation_bytes_;
  const std::unique_ptr<Schedule> schedule_;
  const int64_t chunks_;
  const double learning_rate_;
  std::vector<Buffer> inputs_;
  std::vector<Buffer> input_gradients_;
  std::vector<Buffer> outputs_;
  std::vector<Buffer> output_gradients_;
};

}  // namespace

std::unique_ptr<StageCompute> MakeEmulatedCompute(const v1::JobSpec& spec, int64_t stage) {
  return std::make_unique<EmulatedCompute>(spec, stage);
}

}  // namespace paci
