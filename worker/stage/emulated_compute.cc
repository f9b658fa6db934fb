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
        is_first_(stage == 0),
        is_last_(stage == static_cast<int64_t>(spec.pipeline().stages()) - 1),
        splits_backward_(MakeSchedule(ScheduleConfigOf(spec), stage)->SplitsBackward()),
        learning_rate_(spec.optimizer().lr()) {}

  absl::Status Prepare(int slots, int returns) override {
    inputs_.assign(is_first_ ? 0 : slots, Buffer(activation_bytes_));
    input_gradients_ = inputs_;
    outputs_.assign(is_last_ ? 0 : slots, Buffer(activation_bytes_));
    output_gradients_.assign(is_last_ ? 0 : returns, Buffer(activation_bytes_));
    return absl::OkStatus();
  }

  uint64_t parameter_count() const override { return 0; }
  size_t activation_bytes() const override { return activation_bytes_; }
  absl::Span<std::byte> Input(int slot) override { return absl::MakeSpan(inputs_[slot]); }
  absl::Span<std::byte> OutputGradient(int return_index) override {
    return absl::MakeSpan(output_gradients_[return_index]);
  }

  absl::StatusOr<absl::Span<const std::byte>> Forward(int64_t micro_batch, int slot) override {
    return Run("activation", costs_.forward_seconds(), micro_batch,
               is_first_ ? nullptr : &inputs_[slot], is_last_ ? nullptr : &outputs_[slot]);
  }

  absl::StatusOr<absl::Span<const std::byte>> Backward(int64_t micro_batch, int slot,
                                                       int return_index) override {
    const double seconds =
        costs_.backward_seconds() - (splits_backward_ ? costs_.weights_seconds() : 0);
    return Run("gradient", seconds, micro_batch,
               is_last_ ? nullptr : &output_gradients_[return_index],
               is_first_ ? nullptr : &input_gradients_[slot]);
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

  absl::StatusOr<absl::Span<const std::byte>> Evaluate(int64_t index, int slot) override {
    return Forward(index, slot);
  }
  double TakeEvaluationLoss() override { return 0; }

  absl::StatusOr<v1::CheckpointPart> Checkpoint(int64_t) override {
    return absl::UnimplementedError("an emulated stage has no weights to write");
  }

  absl::Span<const float> WeightSample() override { return {}; }

 private:
  absl::StatusOr<absl::Span<const std::byte>> Run(absl::string_view what, double seconds,
                                                  int64_t micro_batch, const Buffer* from,
                                                  Buffer* to) {
    if (from != nullptr) {
      int64_t carried = -1;
      std::memcpy(&carried, from->data(), sizeof(carried));
      if (carried != micro_batch) {
        return absl::DataLossError(absl::StrCat("the ", what, " of micro-batch ", micro_batch,
                                                " carries the bytes of micro-batch ", carried));
      }
    }
    SleepFor(seconds);
    if (to == nullptr) return absl::Span<const std::byte>();
    std::memcpy(to->data(), &micro_batch, sizeof(micro_batch));
    return absl::MakeConstSpan(*to);
  }

  const v1::EmulationSpec costs_;
  const size_t activation_bytes_;
  const bool is_first_;
  const bool is_last_;
  const bool splits_backward_;
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
