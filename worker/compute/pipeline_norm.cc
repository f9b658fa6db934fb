#include "worker/compute/pipeline_norm.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace paci {
namespace {

constexpr float kNoStage = std::numeric_limits<float>::infinity();

// [3, 2]
at::Tensor InitialState(bool is_used, int64_t stage, int64_t stages,
                        const at::TensorOptions& options) {
  if (!is_used) return {};
  const at::Tensor state = at::zeros({3, 2}, options.dtype(at::kFloat));
  if (stage == 0) state[0][1] = kNoStage;
  if (stage + 1 == stages) state[1][1] = kNoStage;
  return state;
}

at::Tensor Row(const at::Tensor& state, int64_t row) {
  return state.defined() ? state[row] : at::Tensor();
}

}  // namespace

absl::Span<std::byte> FrameBuffer::bytes() const {
  TORCH_CHECK(values.is_contiguous(), "a frame is not contiguous");
  // The norms lie behind the values.
  return {static_cast<std::byte*>(values.data_ptr()),
          values.nbytes() + (norms.defined() ? norms.nbytes() : 0)};
}

PipelineNorm::PipelineNorm(bool is_used, int64_t stage, int64_t stages, at::TensorOptions options)
    : is_used_(is_used),
      options_(options),
      state_(InitialState(is_used, stage, stages, options)),
      before_(Row(state_, 0)),
      after_(Row(state_, 1)),
      own_(Row(state_, 2)) {}

FrameBuffer PipelineNorm::MakeBuffer(at::IntArrayRef shape) const {
  if (!is_used_) return {at::zeros(shape, options_), {}};
  int64_t bytes = static_cast<int64_t>(at::elementSize(options_.dtype().toScalarType()));
  for (const int64_t size : shape) bytes *= size;
  constexpr int64_t kNorms = 2 * sizeof(float);
  const at::Tensor all = at::zeros({bytes + kNorms}, options_.dtype(at::kByte));
  const at::Tensor values = all.narrow(0, 0, bytes).view(options_.dtype().toScalarType());
  return {values.view(shape).detach(), all.narrow(0, bytes, kNorms).view(at::kFloat)};
}

void PipelineNorm::Combine(const at::Tensor& others, const at::Tensor& into) const {
  into[0] = others[0] + own_[0];
  into[1] = at::minimum(others[1], own_[1]);
}

PipelineNorm::Known PipelineNorm::Total(int64_t update, double own) {
  const at::Tensor known = state_.cpu();
  const auto rows = known.accessor<float, 2>();
  const double others = static_cast<double>(rows[0][0]) + static_cast<double>(rows[1][0]);
  const float oldest = std::min(rows[0][1], rows[1][1]);
  const double own_before = rows[2][0];
  const auto number = static_cast<float>(update + 1);
  const double growth = own_before > 0 ? own * own / own_before : 1;
  const bool has_age = oldest > 0 && oldest <= number;
  // Last: on the CPU `known` is state_ itself.
  if (std::isfinite(own)) {
    own_[0] = std::min(own * own, static_cast<double>(std::numeric_limits<float>::max()));
    own_[1] = number;
  }
  return {std::sqrt(own * own + others * growth),
          has_age ? static_cast<int64_t>(number - oldest) : 0};
}

}  // namespace paci
