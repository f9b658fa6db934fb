#include "worker/compute/torch_compute.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/part_snapshot.h"
#include "common/config/checkpoint_directory.h"
#include "common/config/schedule_config.h"
#include "worker/compute/guard.h"
#include "worker/compute/loss_sum.h"
#include "worker/compute/pipeline_norm.h"
#include "worker/compute/poison_watch.h"
#include "worker/compute/sampled_weights.h"
#include "worker/compute/stage_model.h"
#include "worker/compute/stage_passes.h"
#include "worker/compute/stage_weights.h"
#include "worker/compute/tied_head.h"
#include "worker/compute/token_batches.h"
#include "worker/data/batch_source.h"
#include "worker/device/device_clock.h"
#include "worker/device/precision.h"
#include "worker/device/torch_device.h"
#include "worker/model/cross_entropy.h"
#include "worker/optimizer/learning_rate.h"

namespace paci {
namespace {

using ConstBytes = absl::Span<const std::byte>;

// Asked at once for what lies in memory of the host, so that the tensor may change afterwards; on a
// device the answer is computed there. `tensor` is contiguous.
Finite FiniteOf(const at::Tensor& tensor) {
  const auto numbers = tensor.detach();
  if (!numbers.is_cpu()) {
    return [is_finite = at::isfinite(numbers).all()] { return is_finite.item<bool>(); };
  }
  if (numbers.scalar_type() == at::kFloat) {
    return [values = absl::MakeConstSpan(numbers.const_data_ptr<float>(),
                                         static_cast<size_t>(numbers.numel()))] {
      return IsFinite(values);
    };
  }
  return [numbers] { return at::isfinite(numbers).all().item<bool>(); };
}

class TorchCompute final : public StageCompute {
 public:
  TorchCompute(const v1::PrepareStage& command, std::unique_ptr<BatchSource> batches,
               at::Device device)
      : spec_(command.spec()),
        device_(device),
        options_(at::TensorOptions().device(device).dtype(ActivationType(spec_))),
        job_id_(command.key().job_id()),
        generation_(command.key().generation()),
        stage_(command.key().stage()),
        shape_{spec_.pipeline().micro_batch(), spec_.model().context(), spec_.model().hidden()},
        batches_(spec_, std::move(batches), device),
        model_(spec_, command.assignments(static_cast<int>(stage_)).chunks(), device),
        parameters_(model_.parameters()),
        schedule_(MakeSchedule(
            ScheduleConfigOf(spec_, static_cast<int64_t>(command.first_update())), stage_)),
        optimizer_(MakeOptimizer(spec_, *schedule_, parameters_)),
        weights_(MakeStageWeights(spec_, *schedule_, parameters_, optimizer_.get())),
        loss_gradient_(at::scalar_tensor(1.0F / static_cast<float>(spec_.pipeline().accumulation()),
                                         options_.dtype(at::kFloat))),
        norm_(spec_.optimizer().clip_scope() == v1::CLIP_SCOPE_PIPELINE, stage_,
              spec_.pipeline().stages(), options_),
        tied_(spec_, *schedule_, model_.shared(), device),
        poison_(schedule_.get(), /*asks_later=*/!device.is_cpu()),
        sample_(parameters_),
        clock_(device) {}

  absl::Status Prepare(int slots, int returns) override {
    return Guarded("buffers for slot 0..", slots - 1, [&] {
      const bool is_ring = model_.chunk_count() > 1;
      for (int i = 0; i < slots && (!schedule_->is_first() || is_ring); ++i) {
        inputs_.push_back(norm_.MakeBuffer(shape_));
        inputs_.back().values.set_requires_grad(true);
      }
      outputs_.resize(slots);
      tied_.Prepare(slots, returns);
      for (int i = 0; i < slots && norm_.is_used(); ++i) {
        frames_.push_back(norm_.MakeBuffer(shape_));
      }
      for (size_t c = 0; c < model_.chunk_count(); ++c) {
        passes_.push_back(MakeStagePasses(&model_, model_.chunk(c), slots,
                                          spec_.pipeline().recompute(),
                                          schedule_->SplitsBackward()));
      }
      for (int i = 0; i < returns && (!schedule_->is_last() || is_ring); ++i) {
        output_gradients_.push_back(norm_.MakeBuffer(shape_));
      }
      return absl::OkStatus();
    });
  }

  uint64_t parameter_count() const override {
    uint64_t count = 0;
    for (const Parameter& p : parameters_) count += static_cast<uint64_t>(p.tensor.numel());
    return count;
  }
  size_t activation_bytes() const override {
    return at::elementSize(ActivationType(spec_)) *
           static_cast<size_t>(shape_[0] * shape_[1] * shape_[2]);
  }
  absl::Span<std::byte> Input(int slot) override { return inputs_[slot].bytes(); }
  absl::Span<std::byte> OutputGradient(int return_index) override {
    return output_gradients_[return_index].bytes();
  }

  absl::StatusOr<ConstBytes> Forward(Action action, int slot) override {
    const int64_t micro_batch = action.index;
    return Guarded("the forward of micro-batch ", micro_batch, [&]() -> absl::StatusOr<ConstBytes> {
      const absl::StatusOr<at::Tensor> batch = BatchOf(action, &TokenBatches::Training);
      if (!batch.ok()) return batch.status();
      StagePasses::Finish finish = [](const at::Tensor& output) { return output.contiguous(); };
      if (!schedule_->MakesFrame(action)) {
        finish = [targets = TargetsOf(*batch)](const at::Tensor& logits) {
          return CrossEntropy(logits, targets);
        };
      }
      if (schedule_->TakesFrame(action)) norm_.OnActivation(inputs_[slot]);
      if (tied_.OnInput(action, slot)) model_.TakeMasters();
      weights_->Forward(micro_batch, [&] {
        outputs_[slot] = passes_[action.chunk]->Forward(slot, InputOf(action, *batch, slot),
                                                        micro_batch, finish);
      });
      poison_.AfterForward(
          action, FiniteOf(outputs_[slot]),
          schedule_->TakesFrame(action) ? FiniteOf(inputs_[slot].values) : Finite());
      if (schedule_->MakesFrame(action)) {
        return FrameOf(outputs_[slot], slot, &PipelineNorm::AddToActivation);
      }
      losses_.Add(std::exchange(outputs_[slot], at::Tensor()));
      return ConstBytes();
    });
  }

  absl::StatusOr<ConstBytes> Backward(Action action, int slot, int return_index) override {
    return Guarded("the backward of micro-batch ", action.index, [&] {
      outputs_[slot].reset();
      if (schedule_->MakesFrame(action)) inputs_[slot].values.mutable_grad().reset();
      if (schedule_->TakesFrame(action)) {
        poison_.BeforeBackward(action, FiniteOf(output_gradients_[return_index].values));
        norm_.OnGradient(output_gradients_[return_index]);
      }
      weights_->Backward(action.index, [&] {
        passes_[action.chunk]->Backward(slot, schedule_->TakesFrame(action)
                                                  ? output_gradients_[return_index].values
                                                  : loss_gradient_);
      });
      model_.SumGradients();
      tied_.OnBackward(action, slot, return_index);
      if (!schedule_->MakesFrame(action)) return absl::StatusOr<ConstBytes>(ConstBytes());
      at::Tensor& gradient = inputs_[slot].values.mutable_grad();
      gradient = gradient.contiguous();
      poison_.AfterBackward(action, FiniteOf(gradient));
      return absl::StatusOr<ConstBytes>(FrameOf(gradient, slot, &PipelineNorm::AddToGradient));
    });
  }

  absl::Status BackwardWeights(int64_t micro_batch, int slot) override {
    return Guarded("the weight half of the backward of micro-batch ", micro_batch, [&] {
      passes_.front()->BackwardWeights(slot);
      model_.SumGradients();
      return absl::OkStatus();
    });
  }

  absl::StatusOr<StepResult> Step(int64_t update) override {
    return Guarded("update ", update, [&]() -> absl::StatusOr<StepResult> {
      const at::NoGradGuard no_grad;
      StepResult result;
      tied_.AddGradient();
      result.learning_rate = LearningRateAt(spec_, update) * weights_->LearningRateScale(update) *
                             LagScale(spec_.optimizer(), schedule_->MeanLag(update));
      std::vector<at::Tensor> gradients;
      gradients.reserve(parameters_.size());
      for (const Parameter& p : parameters_) gradients.push_back(p.gradient());
      result.gradient_norm = at::stack(at::_foreach_norm(gradients)).norm().item<double>();
      result.is_skipped = !std::isfinite(result.gradient_norm);
      result.poison = poison_.Take(update, result.is_skipped);
      double clipped_norm = result.gradient_norm;
      if (norm_.is_used()) {
        const PipelineNorm::Known known = norm_.Total(update, result.gradient_norm);
        clipped_norm = result.pipeline_norm = known.norm;
        result.pipeline_norm_age = known.age;
      }
      weights_->Step(update, [&] {
        if (result.is_skipped) return;
        Clip(gradients, clipped_norm);
        optimizer_->Step(update, result.learning_rate);
        model_.TakeMasters();
        sample_.Read(parameters_);
      });
      DropGradients();
      if (schedule_->is_last()) result.loss = losses_.Take() / spec_.pipeline().accumulation();
      return result;
    });
  }

  absl::StatusOr<ConstBytes> Evaluate(Action action, int slot) override {
    return Guarded("validation micro-batch ", action.index, [&]() -> absl::StatusOr<ConstBytes> {
      const at::NoGradGuard no_grad;
      const absl::StatusOr<at::Tensor> batch = BatchOf(action, &TokenBatches::Validation);
      if (!batch.ok()) return batch.status();
      if (tied_.OnInput(action, slot)) model_.TakeMasters();
      const at::Tensor output =
          model_.Forward(InputOf(action, *batch, slot), std::nullopt, model_.chunk(action.chunk));
      if (schedule_->MakesFrame(action)) return Keep(output, slot);
      evaluation_losses_.Add(CrossEntropy(output, TargetsOf(*batch)));
      ++evaluations_;
      return ConstBytes();
    });
  }

  double TakeEvaluationLoss() override {
    return evaluation_losses_.Take() /
           static_cast<double>(std::max<int64_t>(1, std::exchange(evaluations_, 0)));
  }

  absl::Status Snapshot(int64_t update) override {
    return Guarded("the copy for the checkpoint of update ", update, [&] {
      snapshot_.copy().Take(static_cast<uint64_t>(update), model_.Tensors(State()));
      return absl::OkStatus();
    });
  }
  absl::StatusOr<v1::CheckpointPart> WriteSnapshot(uint64_t settled_update) override {
    const uint64_t update = snapshot_.copy().update();
    return Guarded("the checkpoint of update ", static_cast<int64_t>(update), [&] {
      return snapshot_.Write(CheckpointDirectory(spec_, job_id_, {update, generation_}),
                             settled_update);
    });
  }
  absl::Status CopyState(int64_t update, StateCopy& copy) override {
    return Guarded("the copy for its neighbour after update ", update, [&] {
      copy.Take(static_cast<uint64_t>(update), model_.Tensors(State()));
      return absl::OkStatus();
    });
  }

  // Weights and state of a complete checkpoint; of update 0 there is no state. Before the first
  // action.
  absl::Status Load(const v1::Checkpoint& checkpoint) {
    const StageModel::State state = State();
    return OnLoaded(
        model_.Load(checkpoint.directory(), checkpoint.update() == 0 ? nullptr : &state));
  }
  // The same from a copy of this stage.
  absl::Status Load(const StateCopy& copy) { return OnLoaded(model_.Load(copy, State())); }

  absl::StatusOr<absl::Span<std::byte>> TiedInput(Action action, int slot) override {
    return WithTied(action, [&] { return tied_.Input(action, slot); });
  }
  absl::StatusOr<ConstBytes> TiedOutput(Action action, int slot) override {
    return WithTied(action, [&] { return tied_.Output(action, slot); });
  }
  absl::StatusOr<absl::Span<std::byte>> TiedOutputGradient(Action action,
                                                           int return_index) override {
    return WithTied(action, [&] { return tied_.OutputGradient(action, return_index); });
  }
  absl::StatusOr<ConstBytes> TiedGradient(Action action, int slot) override {
    return WithTied(action, [&] { return tied_.Gradient(action, slot); });
  }

  bool RunsAhead() const override { return !device_.is_cpu(); }
  void BeginAction() override { clock_.Begin(); }
  void EndAction() override { clock_.End(); }
  std::vector<ActionTime> TakeTimes(bool all) override {
    return all ? clock_.TakeAll() : clock_.Take();
  }
  uint64_t peak_device_bytes() const override { return PeakBytes(device_); }

  Data data() const override { return batches_.data(); }
  uint64_t policy_bytes() const override { return weights_->bytes(); }

  absl::Span<const float> WeightSample() override { return sample_.values(); }

 private:
  template <typename Work>
  std::invoke_result_t<Work> Guarded(absl::string_view what, int64_t index,
                                     const Work& work) const {
    const auto describe = [&] {
      return absl::StrCat("stage ", stage_, " of job ", job_id_, ", ", what, index);
    };
    return Guard(describe, work);
  }

  template <typename Work>
  absl::StatusOr<std::invoke_result_t<Work>> WithTied(Action action, const Work& work) const {
    return Guarded("the tied head's frame with micro-batch ", action.index,
                   [&]() -> absl::StatusOr<std::invoke_result_t<Work>> { return work(); });
  }

  absl::Status OnLoaded(absl::Status loaded) {
    if (!loaded.ok()) return loaded;
    optimizer_->OnStateLoaded();
    sample_.Read(parameters_);
    return absl::OkStatus();
  }

  StageModel::State State() const {
    StageModel::State state;
    for (size_t i = 0; i < parameters_.size(); ++i) {
      state.push_back(optimizer_->State(i));
      for (const auto& [name, tensors] : weights_->State()) state[i].emplace_back(name, tensors[i]);
      if (norm_.is_used()) state[i].emplace_back("pipeline_norm", norm_.state());
    }
    return state;
  }

  // Token ids [micro_batch, context + 1] for a forward at an end of the model; else undefined.
  template <typename Read>
  absl::StatusOr<at::Tensor> BatchOf(Action action, Read read) {
    if (schedule_->TakesFrame(action) && schedule_->MakesFrame(action)) return at::Tensor();
    return (batches_.*read)(action.index);
  }
  at::Tensor InputOf(Action action, const at::Tensor& batch, int slot) const {
    return schedule_->TakesFrame(action) ? inputs_[slot].values : batch.narrow(1, 0, shape_[1]);
  }
  at::Tensor TargetsOf(const at::Tensor& batch) const { return batch.narrow(1, 1, shape_[1]); }

  // The output stays until its backward, or until the slot's next use.
  ConstBytes Keep(const at::Tensor& output, int slot) {
    outputs_[slot] = output.contiguous();
    return FrameOf(outputs_[slot], slot, &PipelineNorm::AddToActivation);
  }

  // `values` themselves, or where norms travel behind them a copy. A slot's last frame has been
  // sent before its next is made.
  ConstBytes FrameOf(const at::Tensor& values, int slot,
                     void (PipelineNorm::*add)(const FrameBuffer&) const) {
    if (!norm_.is_used()) return BytesOf(values);
    frames_[slot].values.copy_(values.detach());
    (norm_.*add)(frames_[slot]);
    return frames_[slot].bytes();
  }

  // Released, not zeroed: the next backward's first gradient takes their place. Sums stay.
  void DropGradients() {
    for (const Parameter& p : parameters_) {
      p.sum.defined() ? (void)p.sum.zero_() : p.tensor.mutable_grad().reset();
    }
  }

  void Clip(std::vector<at::Tensor>& gradients, double norm) const {
    const double bound = spec_.optimizer().clip_norm();
    if (bound > 0 && norm > bound) at::_foreach_mul_(gradients, bound / norm);
  }

  const v1::JobSpec spec_;
  const at::Device device_;
  const at::TensorOptions options_;  // of activations
  const std::string job_id_;
  const uint64_t generation_;
  const int64_t stage_;
  const std::vector<int64_t> shape_;  // of an activation: [micro_batch, context, hidden]
  TokenBatches batches_;              // asked at the ends of the model only
  StageModel model_;
  const std::vector<Parameter> parameters_;
  const std::unique_ptr<Schedule> schedule_;
  const std::unique_ptr<Optimizer> optimizer_;
  const std::unique_ptr<StageWeights> weights_;
  std::vector<std::unique_ptr<StagePasses>> passes_;  // by chunk
  const at::Tensor loss_gradient_;  // 1 / a: an update's gradient is that of the mean loss
  PipelineNorm norm_;
  TiedHead tied_;
  PoisonWatch poison_;
  SampledWeights sample_;
  DeviceClock clock_;
  PartSnapshot snapshot_;

  std::vector<FrameBuffer> inputs_;            // by slot
  std::vector<at::Tensor> outputs_;            // by slot, until it is sent
  std::vector<FrameBuffer> frames_;            // by slot, where norms travel: what is sent
  std::vector<FrameBuffer> output_gradients_;  // by return index
  LossSum losses_;                             // of the update's micro-batches
  LossSum evaluation_losses_;
  int64_t evaluations_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<StageCompute>> MakeTorchCompute(const v1::PrepareStage& command,
                                                               uint32_t threads,
                                                               const StateCopy* state, int gpu) {
  const v1::JobSpec& spec = command.spec();
  const auto what = [&] {
    return absl::StrCat("stage ", command.key().stage(), " of job ", command.key().job_id(),
                        ", building its layers");
  };
  return Guard(what, [&]() -> absl::StatusOr<std::unique_ptr<StageCompute>> {
    at::set_num_threads(static_cast<int>(threads));
    const at::Device device = DeviceOf(gpu);
    UseDevice(device, spec.pipeline().order() == v1::ORDER_STRICT);
    // Now, not after hours of training.
    if (!spec.checkpoint().dir().empty()) {
      const absl::Status tried = TryFolder(spec, command.key());
      if (!tried.ok()) return tried;
    }
    std::unique_ptr<BatchSource> batches;
    const uint32_t stage = command.key().stage();
    if (stage == 0 || stage + 1 == spec.pipeline().stages()) {
      absl::StatusOr<std::unique_ptr<BatchSource>> opened = BatchSource::Open(spec);
      if (!opened.ok()) return opened.status();
      batches = *std::move(opened);
    }
    auto compute = std::make_unique<TorchCompute>(command, std::move(batches), device);
    if (state != nullptr) {
      if (absl::Status loaded = compute->Load(*state); !loaded.ok()) return loaded;
    } else if (command.has_resume_from()) {
      const std::string& directory = command.resume_from().directory();
      absl::Status loaded = CheckResumable(spec, command.resume_from());
      if (loaded.ok()) {
        loaded = VerifyUnits(directory, command.assignments(static_cast<int>(stage)).chunks());
      }
      if (loaded.ok()) loaded = compute->Load(command.resume_from());
      if (!loaded.ok()) return loaded;
    }
    return compute;
  });
}

}  // namespace paci
