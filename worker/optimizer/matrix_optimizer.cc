#include "worker/optimizer/matrix_optimizer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"

namespace paci {
namespace {

constexpr absl::string_view kLookedUp[] = {"wte.weight", "wpe.weight", "embed_tokens.weight",
                                           "lm_head.weight"};
constexpr absl::string_view kFused = "attn.c_attn.weight";

bool IsMatrixOfABlock(const Parameter& parameter) {
  return parameter.tensor.dim() == 2 &&
         std::none_of(std::begin(kLookedUp), std::end(kLookedUp),
                      [&](absl::string_view end) { return absl::EndsWith(parameter.name, end); });
}

std::vector<Parameter> OthersOf(const std::vector<Parameter>& parameters) {
  std::vector<Parameter> others;
  std::remove_copy_if(parameters.begin(), parameters.end(), std::back_inserter(others),
                      IsMatrixOfABlock);
  return others;
}

}  // namespace

MatrixOptimizer::MatrixOptimizer(const v1::OptimizerSpec& spec,
                                 const std::vector<Parameter>& parameters)
    : others_(spec, OthersOf(parameters)) {
  size_t others = 0;
  for (const Parameter& parameter : parameters) {
    const bool is_matrix = IsMatrixOfABlock(parameter);
    position_.emplace_back(is_matrix, is_matrix ? matrices_.size() : others++);
    if (!is_matrix) continue;
    const int64_t parts = spec.split_qkv() && absl::EndsWith(parameter.name, kFused) ? 3 : 1;
    matrices_.push_back(
        {.parameter = parameter,
         .shape = {parts, parameter.tensor.size(0) / parts, parameter.tensor.size(1)},
         .weight_decay = parameter.decays ? spec.weight_decay() : 0});
  }
}

void MatrixOptimizer::Matrix::StepAlong(const at::Tensor& direction, double learning_rate) const {
  at::Tensor weights = parameter.master;
  weights.mul_(1 - learning_rate * weight_decay)
      .sub_(direction.view(weights.sizes()), learning_rate);
}

void MatrixOptimizer::Step(int64_t update, double learning_rate) {
  others_.Step(update, learning_rate);
  StepMatrices(update, learning_rate);
}

at::Tensor MatrixOptimizer::Direction(size_t index) const {
  const auto [is_matrix, i] = position_[index];
  return is_matrix ? DirectionOfMatrix(i) : others_.Direction(i);
}

std::vector<std::pair<std::string, at::Tensor>> MatrixOptimizer::State(size_t index) const {
  const auto [is_matrix, i] = position_[index];
  return is_matrix ? StateOfMatrix(i) : others_.State(i);
}

}  // namespace paci
