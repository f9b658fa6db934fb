#include "worker/optimizer/muon.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace paci {
namespace {

constexpr double kScale = 0.2;
constexpr int kSteps = 5;
constexpr double kSmallestNorm = 1e-7;

at::Tensor Wide(const at::Tensor& matrices) {
  return matrices.size(-2) > matrices.size(-1) ? matrices.mT() : matrices;
}

// "transformer.h.0." of "transformer.h.0.attn.c_attn.weight".
std::string BlockOf(const std::string& name) {
  size_t end = 0;
  for (int dots = 0; dots < 3 && end != std::string::npos; ++dots) end = name.find('.', end) + 1;
  return name.substr(0, end);
}

}  // namespace

at::Tensor NewtonSchulz(const at::Tensor& matrices) {
  at::Tensor x = Wide(matrices);
  x = x /
      x.square().sum(at::IntArrayRef{-2, -1}, /*keepdim=*/true).sqrt_().clamp_min_(kSmallestNorm);
  for (int i = 0; i < kSteps; ++i) {
    const at::Tensor gram = at::matmul(x, x.mT());
    const at::Tensor factor = gram.mul(-4.7750).add_(at::matmul(gram, gram), 2.0315);
    x = at::matmul(factor, x).add_(x, 3.4445);
  }
  return matrices.size(-2) > matrices.size(-1) ? x.mT() : x;
}

Muon::Muon(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters, LagOf lag_of)
    : MatrixOptimizer(spec, parameters), momentum_(spec.momentum()), lag_of_(std::move(lag_of)) {
  for (size_t i = 0; i < matrices().size(); ++i) {
    const Parameter& parameter = matrices()[i].parameter;
    kept_.push_back({.momentum = at::zeros_like(parameter.master),
                     .direction = at::zeros_like(parameter.master),
                     .ahead = lag_of_ ? at::zeros_like(parameter.master) : at::Tensor()});
    groups_[{BlockOf(parameter.name), std::minmax(matrices()[i].shape[1], matrices()[i].shape[2])}]
        .push_back(i);
  }
}

void Muon::StepMatrices(int64_t update, double learning_rate) {
  const double lag = lag_of_ ? lag_of_(update) : 0;
  for (const auto& [key, group] : groups_) {
    std::vector<at::Tensor> ahead;
    for (const size_t i : group) ahead.push_back(Wide(Ahead(i, lag)));
    const at::Tensor orthogonal = NewtonSchulz(at::cat(ahead));
    int64_t first = 0;
    for (size_t k = 0; k < group.size(); ++k) {
      const Matrix& matrix = matrices()[group[k]];
      const at::Tensor own = orthogonal.narrow(0, first, ahead[k].size(0));
      const bool is_tall = matrix.shape[1] > matrix.shape[2];
      at::Tensor& direction = kept_[group[k]].direction;
      direction.view(matrix.shape)
          .copy_(is_tall ? own.mT() : own)
          .mul_(kScale * std::sqrt(static_cast<double>(key.second.second)));
      matrix.StepAlong(direction, learning_rate);
      first += ahead[k].size(0);
    }
  }
}

at::Tensor Muon::Ahead(size_t i, double lag) {
  const Matrix& matrix = matrices()[i];
  Kept& kept = kept_[i];
  const at::Tensor gradient = matrix.Gradient();
  const double fresh = 1 - std::pow(momentum_, 1 + lag);
  const at::Tensor momentum = kept.momentum.view(matrix.shape).lerp_(gradient, fresh);
  at::Tensor ahead = gradient.lerp(momentum, 1 - fresh * (1 + lag));
  if (!lag_of_) return ahead;
  const at::Tensor before = kept.ahead.view(matrix.shape);
  at::Tensor further = ahead.lerp(before, -std::min(1.0, lag));
  before.copy_(ahead);
  return further;
}

std::vector<std::pair<std::string, at::Tensor>> Muon::StateOfMatrix(size_t i) const {
  const Kept& kept = kept_[i];
  std::vector<std::pair<std::string, at::Tensor>> state = {{"momentum", kept.momentum},
                                                           {"direction", kept.direction}};
  if (lag_of_) state.emplace_back("ahead", kept.ahead);
  return state;
}

}  // namespace paci
