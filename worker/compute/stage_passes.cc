#include "worker/compute/stage_passes.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include <utility>

namespace paci {
namespace {

// Keeps all that autograd needs.
class KeepAll final : public StagePasses {
 public:
  KeepAll(StageModel* model, StageModel::Range chunk, int slots, bool splits_backward)
      : model_(model), chunk_(chunk), results_(slots), deferred_(splits_backward ? slots : 0) {}

  at::Tensor Forward(int slot, const at::Tensor& input, int64_t micro_batch,
                     const Finish& finish) override {
    DeferredGradients* const deferred = deferred_.empty() ? nullptr : &deferred_[slot];
    results_[slot] = finish(model_->Forward(input, micro_batch, chunk_, deferred));
    return results_[slot];
  }
  void Backward(int slot, const at::Tensor& result_gradient) override {
    // The weight half may still need it when its buffer has the next one.
    const at::Tensor gradient = deferred_.empty() ? result_gradient : result_gradient.clone();
    torch::autograd::backward({std::exchange(results_[slot], at::Tensor())}, {gradient});
  }
  void BackwardWeights(int slot) override { deferred_[slot].Run(); }

 private:
  StageModel* const model_;
  const StageModel::Range chunk_;
  std::vector<at::Tensor> results_;          // by slot
  std::vector<DeferredGradients> deferred_;  // by slot; empty: backwards are not split
};

// Keeps the inputs of segments of the chunk, and runs a segment's forward again, with the weights
// and the dropped elements of then, before its backward.
class Recomputed final : public StagePasses {
 public:
  Recomputed(StageModel* model, StageModel::Range chunk, int slots, size_t units_per_segment)
      : model_(model), chunk_(chunk), units_per_segment_(units_per_segment), kept_(slots) {}

  at::Tensor Forward(int slot, const at::Tensor& input, int64_t micro_batch,
                     const Finish& finish) override {
    const at::NoGradGuard no_grad;
    Kept& kept = kept_[slot];
    kept = {{}, micro_batch, finish};
    at::Tensor x = input;
    for (size_t begin = chunk_.begin; begin < chunk_.end; begin += units_per_segment_) {
      kept.inputs.push_back(x);
      x = RunSegment(kept, begin, x);
    }
    return x;
  }

  void Backward(int slot, const at::Tensor& result_gradient) override {
    Kept kept = std::exchange(kept_[slot], {});
    at::Tensor gradient = result_gradient;
    while (!kept.inputs.empty()) {
      at::Tensor input = std::move(kept.inputs.back());
      kept.inputs.pop_back();
      // The chunk's own input is a leaf already, or token ids.
      if (!kept.inputs.empty()) input.set_requires_grad(true);
      const size_t begin = chunk_.begin + kept.inputs.size() * units_per_segment_;
      const at::Tensor result = RunSegment(kept, begin, input);
      torch::autograd::backward({result}, {gradient});
      gradient = input.grad();
    }
  }

  void BackwardWeights(int) override {}

 private:
  struct Kept {
    std::vector<at::Tensor> inputs;  // of the segments
    int64_t micro_batch = 0;
    Finish finish;
  };

  at::Tensor RunSegment(const Kept& kept, size_t begin, const at::Tensor& input) {
    const size_t end = std::min(begin + units_per_segment_, chunk_.end);
    const at::Tensor x = model_->Forward(input, kept.micro_batch, {begin, end});
    return end == chunk_.end ? kept.finish(x) : x;
  }

  StageModel* const model_;
  const StageModel::Range chunk_;
  const size_t units_per_segment_;
  std::vector<Kept> kept_;  // by slot
};

}  // namespace

std::unique_ptr<StagePasses> MakeStagePasses(StageModel* model, StageModel::Range chunk, int slots,
                                             v1::Recompute recompute, bool splits_backward) {
  switch (recompute) {
    case v1::RECOMPUTE_SELECTIVE:
      return std::make_unique<Recomputed>(model, chunk, slots, 1);
    case v1::RECOMPUTE_FULL:
      return std::make_unique<Recomputed>(model, chunk, slots, chunk.end - chunk.begin);
    default:
      return std::make_unique<KeepAll>(model, chunk, slots, splits_backward);
  }
}

}  // namespace paci
