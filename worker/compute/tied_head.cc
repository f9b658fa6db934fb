#include "worker/compute/tied_head.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "worker/compute/stage_model.h"

namespace paci {

TiedHead::TiedHead(const v1::JobSpec& spec, const Schedule& schedule, Parameter* shared,
                   at::Device device)
    : is_used_(spec.model().tied_head() && spec.pipeline().stages() > 1),
      is_first_(schedule.is_first()),
      is_last_(schedule.is_last()),
      accumulation_(spec.pipeline().accumulation()),
      eval_batches_(spec.train().eval_batches()),
      shape_{spec.model().vocabulary(), spec.model().hidden()},
      options_(at::TensorOptions().device(device).dtype(at::kFloat)),
      shared_(shared) {}

void TiedHead::Prepare(int slots, int returns) {
  matrices_.resize(slots);
  gradients_.resize(slots);
  arriving_.resize(returns);
}

at::Tensor TiedHead::NewBuffer() const { return at::empty(shape_, options_); }

bool TiedHead::IsCarried(Action action) const {
  if (!is_used_) return false;
  switch (action.kind) {
    case ActionKind::kForward:
      return action.index % accumulation_ == 0;
    case ActionKind::kEvaluate:
      return action.index % eval_batches_ == 0;
    case ActionKind::kBackward:
      return (action.index + 1) % accumulation_ == 0;
    default:
      return false;
  }
}

absl::Span<std::byte> TiedHead::Input(Action action, int slot) {
  if (!is_used_ || is_first_) return {};
  matrices_[slot] = IsCarried(action) ? NewBuffer() : at::Tensor();
  return matrices_[slot].defined() ? BytesOf(matrices_[slot]) : absl::Span<std::byte>();
}

bool TiedHead::OnInput(Action action, int slot) {
  if (!is_last_ || !IsCarried(action)) return false;
  shared_->master.copy_(std::exchange(matrices_[slot], at::Tensor()));
  return true;
}

absl::Span<const std::byte> TiedHead::Output(Action action, int slot) {
  if (!is_used_) return {};
  if (is_first_) matrices_[slot] = IsCarried(action) ? shared_->master.clone() : at::Tensor();
  return matrices_[slot].defined() ? BytesOf(matrices_[slot]) : absl::Span<std::byte>();
}

absl::Span<std::byte> TiedHead::OutputGradient(Action action, int return_index) {
  if (is_last_ || !IsCarried(action)) return {};
  arriving_[return_index] = NewBuffer();
  return BytesOf(arriving_[return_index]);
}

void TiedHead::OnBackward(Action action, int slot, int return_index) {
  if (!is_used_) return;
  gradients_[slot] = at::Tensor();
  if (!IsCarried(action)) return;
  if (!is_last_) {
    at::Tensor& into = is_first_ ? arrived_ : gradients_[slot];
    into = std::move(arriving_[return_index]);
    return;
  }
  if (shared_->sum.defined()) {
    gradients_[slot] = shared_->sum.clone();
    shared_->sum.zero_();
  } else {
    gradients_[slot] = std::exchange(shared_->tensor.mutable_grad(), at::Tensor()).contiguous();
  }
}

absl::Span<const std::byte> TiedHead::Gradient(Action action, int slot) const {
  if (is_first_ || !IsCarried(action)) return {};
  return BytesOf(gradients_[slot]);
}

void TiedHead::AddGradient() {
  if (!is_used_ || !is_first_) return;
  at::Tensor gradient = shared_->gradient();
  gradient.add_(std::exchange(arrived_, at::Tensor()));
}

}  // namespace paci
