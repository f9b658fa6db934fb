#include "worker/optimizer/soap.h"

#include <ATen/ATen.h>

namespace paci {

Soap::Soap(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters)
    : MatrixOptimizer(spec, parameters), spec_(spec) {
  for (const Matrix& matrix : matrices()) {
    const auto options = matrix.parameter.master.options();
    const auto side = [&](int64_t size) {
      if (size > spec_.rotation_limit()) return Side();
      const at::Tensor zeros = at::zeros({matrix.shape[0], size, size}, options);
      return Side{.covariance = zeros, .basis = at::zeros_like(zeros)};
    };
    const at::Tensor zeros = at::zeros(matrix.shape, options);
    moments_.push_back({.exp_avg = zeros,
                        .exp_avg_sq = at::zeros_like(zeros),
                        .step = at::zeros({}, options),
                        .left = side(matrix.shape[1]),
                        .right = side(matrix.shape[2])});
  }
}

void Soap::Side::Update(const at::Tensor& product, double beta2, bool is_first, bool turns) {
  covariance.lerp_(product, 1 - beta2);
  if (is_first) {
    basis.copy_(std::get<1>(at::linalg_eigh(covariance)).flip({-1}));
  } else if (turns) {
    basis.copy_(std::get<0>(at::linalg_qr(at::matmul(covariance, basis))));
  }
}

at::Tensor Soap::Moments::Rotated(const at::Tensor& matrix) const {
  const at::Tensor turned = left.basis.defined() ? at::matmul(left.basis.mT(), matrix) : matrix;
  return right.basis.defined() ? at::matmul(turned, right.basis) : turned;
}

at::Tensor Soap::Moments::RotatedBack(const at::Tensor& matrix) const {
  const at::Tensor turned = left.basis.defined() ? at::matmul(left.basis, matrix) : matrix;
  return right.basis.defined() ? at::matmul(turned, right.basis.mT()) : turned;
}

void Soap::StepMatrices(int64_t /*update*/, double learning_rate) {
  for (size_t i = 0; i < moments_.size(); ++i) {
    Moments& moments = moments_[i];
    const at::Tensor gradient = matrices()[i].Gradient();
    const auto before = moments.step.item<int64_t>();
    const bool turns = before % spec_.rotation_every() == 0;
    if (moments.left.basis.defined()) {
      moments.left.Update(at::matmul(gradient, gradient.mT()), spec_.beta2(), before == 0, turns);
    }
    if (moments.right.basis.defined()) {
      moments.right.Update(at::matmul(gradient.mT(), gradient), spec_.beta2(), before == 0, turns);
    }
    moments.step.add_(1);
    moments.exp_avg.lerp_(gradient, 1 - spec_.beta1());
    moments.exp_avg_sq.lerp_(moments.Rotated(gradient).square(), 1 - spec_.beta2());
    matrices()[i].StepAlong(DirectionOfMatrix(i), learning_rate);
  }
}

at::Tensor Soap::DirectionOfMatrix(size_t i) const {
  const Moments& moments = moments_[i];
  const at::Tensor turned = AdamDirection(moments.Rotated(moments.exp_avg), moments.exp_avg_sq,
                                          moments.step.item<double>(), spec_);
  return moments.RotatedBack(turned).view(matrices()[i].parameter.master.sizes());
}

std::vector<std::pair<std::string, at::Tensor>> Soap::StateOfMatrix(size_t i) const {
  const Moments& moments = moments_[i];
  std::vector<std::pair<std::string, at::Tensor>> state = {
      {"exp_avg", moments.exp_avg}, {"exp_avg_sq", moments.exp_avg_sq}, {"step", moments.step}};
  if (moments.left.basis.defined()) {
    state.emplace_back("left_covariance", moments.left.covariance);
    state.emplace_back("left_basis", moments.left.basis);
  }
  if (moments.right.basis.defined()) {
    state.emplace_back("right_covariance", moments.right.covariance);
    state.emplace_back("right_basis", moments.right.basis);
  }
  return state;
}

}  // namespace paci
