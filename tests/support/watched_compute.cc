#include "tests/support/watched_compute.h"

#include <utility>

namespace paci {
namespace {

class WatchedCompute final : public StageCompute {
 public:
  WatchedCompute(std::unique_ptr<StageCompute> inner, WatchAction watch, WatchWrite watch_write)
      : inner_(std::move(inner)), watch_(std::move(watch)), watch_write_(std::move(watch_write)) {}

  absl::Status Prepare(int slots, int returns) override { return inner_->Prepare(slots, returns); }
  uint64_t parameter_count() const override { return inner_->parameter_count(); }
  size_t activation_bytes() const override { return inner_->activation_bytes(); }
  absl::Span<std::byte> Input(int slot) override { return inner_->Input(slot); }
  absl::Span<std::byte> OutputGradient(int index) override { return inner_->OutputGradient(index); }

  absl::StatusOr<absl::Span<const std::byte>> Forward(Action action, int slot) override {
    if (absl::Status seen = watch_(action); !seen.ok()) return seen;
    return inner_->Forward(action, slot);
  }
  absl::StatusOr<absl::Span<const std::byte>> Backward(Action action, int slot,
                                                       int return_index) override {
    if (absl::Status seen = watch_(action); !seen.ok()) return seen;
    return inner_->Backward(action, slot, return_index);
  }
  absl::Status BackwardWeights(int64_t micro_batch, int slot) override {
    if (absl::Status seen = watch_({ActionKind::kWeights, micro_batch}); !seen.ok()) return seen;
    return inner_->BackwardWeights(micro_batch, slot);
  }
  absl::StatusOr<StepResult> Step(int64_t update) override {
    if (absl::Status seen = watch_({ActionKind::kStep, update}); !seen.ok()) return seen;
    return inner_->Step(update);
  }
  absl::StatusOr<absl::Span<const std::byte>> Evaluate(Action action, int slot) override {
    if (absl::Status seen = watch_(action); !seen.ok()) return seen;
    return inner_->Evaluate(action, slot);
  }
  double TakeEvaluationLoss() override { return inner_->TakeEvaluationLoss(); }

  absl::Status Snapshot(int64_t update) override {
    snapshot_update_ = update;
    return watch_({ActionKind::kCheckpoint, checkpoints_++});
  }
  absl::Status CopyState(int64_t update, StateCopy& copy) override {
    return inner_->CopyState(update, copy);
  }
  absl::StatusOr<v1::CheckpointPart> WriteSnapshot(uint64_t) override {
    if (watch_write_ == nullptr) return v1::CheckpointPart();
    if (absl::Status seen = watch_write_(snapshot_update_); !seen.ok()) return seen;
    return v1::CheckpointPart();
  }
  absl::Span<const float> WeightSample() override { return inner_->WeightSample(); }

 private:
  const std::unique_ptr<StageCompute> inner_;
  const WatchAction watch_;
  const WatchWrite watch_write_;
  int64_t checkpoints_ = 0;
  int64_t snapshot_update_ = 0;
};

}  // namespace

std::unique_ptr<StageCompute> MakeWatchedCompute(std::unique_ptr<StageCompute> inner,
                                                 WatchAction watch, WatchWrite watch_write) {
  return std::make_unique<WatchedCompute>(std::move(inner), std::move(watch),
                                          std::move(watch_write));
}

}  // namespace paci
