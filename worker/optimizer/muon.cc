#include "worker/optimizer/muon.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"

namespace paci {
namespace {

constexpr double kScale = 0.2;
constexpr int kSteps = 5;
constexpr double kSmallestNorm = 1e-7;

constexpr absl::string_view kLookedUp[] = {"wte.weight", "wpe.weight", "embed_tokens.weight",
                                           "lm_head.weight"};
constexpr absl::string_view kFused = "attn.c_attn.weight";

}  // namespace

at::Tensor NewtonSchulz(const at::Tensor& matrices) {
  const bool is_tall = matrices.size(-2) > matrices.size(-1);
  at::Tensor x = is_tall ? matrices.mT() : matrices;
  x = x /
      x.square().sum(at::IntArrayRef{-2, -1}, /*keepdim=*/true).sqrt_().clamp_min_(kSmallestNorm);
  for (int i = 0; i < kSteps; ++i) {
    const at::Tensor gram = at::matmul(x, x.mT());
    const at::Tensor factor = gram.mul(-4.7750).add_(at::matmul(gram, gram), 2.0315);
    x = at::matmul(factor, x).add_(x, 3.4445);
  }
  return is_tall ? x.mT() : x;
}

bool Muon::Takes(const Parameter& parameter) {
  return parameter.tensor.dim() == 2 &&
         std::none_of(std::begin(kLookedUp), std::end(kLookedUp),
                      [&](absl::string_view end) { return absl::EndsWith(parameter.name, end); });
}

std::vector<Parameter> Muon::OthersOf(const std::vector<Parameter>& parameters) {
  std::vector<Parameter> others;
  for (const Parameter& parameter : parameters) {
    if (!Takes(parameter)) others.push_back(parameter);
  }
  return others;
}

Muon::Muon(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters)
    : momentum_(spec.momentum()), others_(spec, OthersOf(parameters)) {
  size_t others = 0;
  for (const Parameter& parameter : parameters) {
    const bool takes = Takes(parameter);
    position_.emplace_back(takes, takes ? matrices_.size() : others++);
    if (!takes) continue;
    const at::Tensor& weights = parameter.master;
    const bool is_split = spec.split_qkv() && absl::EndsWith(parameter.name, kFused);
    matrices_.push_back({.parameter = parameter,
                         .weights = weights,
                         .momentum = at::zeros_like(weights),
                         .direction = at::zeros_like(weights),
                         .parts = is_split ? 3 : 1,
                         .weight_decay = parameter.decays ? spec.weight_decay() : 0});
  }
}

void Muon::Step(int64_t update, double learning_rate) {
  others_.Step(update, learning_rate);
  for (Matrix& matrix : matrices_) StepMatrix(matrix, learning_rate);
}

void Muon::StepMatrix(Matrix& matrix, double learning_rate) const {
  const at::Tensor gradient = matrix.parameter.gradient();
  matrix.momentum.lerp_(gradient, 1 - momentum_);
  const int64_t rows = gradient.size(0) / matrix.parts;
  const int64_t columns = gradient.size(1);
  const std::vector<int64_t> shape = {matrix.parts, rows, columns};
  const at::Tensor ahead = gradient.lerp(matrix.momentum, momentum_).reshape(shape);
  const double scale = kScale * std::sqrt(static_cast<double>(std::max(rows, columns)));
  matrix.direction.view(shape).copy_(NewtonSchulz(ahead)).mul_(scale);
  matrix.weights.mul_(1 - learning_rate * matrix.weight_decay)
      .sub_(matrix.direction, learning_rate);
}

at::Tensor Muon::Direction(size_t index) const {
  const auto [is_matrix, i] = position_[index];
  return is_matrix ? matrices_[i].direction : others_.Direction(i);
}

std::vector<std::pair<std::string, at::Tensor>> Muon::State(size_t index) const {
  const auto [is_matrix, i] = position_[index];
  if (!is_matrix) return others_.State(i);
  return {{"momentum", matrices_[i].momentum}, {"direction", matrices_[i].direction}};
}

}  // namespace paci
