#pragma once

#include <utility>
#include <vector>

#include "worker/optimizer/adamw.h"

namespace paci {

// Muon (Jordan et al., 2024), with the scale that lets it share AdamW's learning rate and decay
// (Moonlight, arXiv 2502.16982, section 2.2). For the gradient g of a matrix [rows, columns]:
//   m = momentum m + (1 - momentum) g
//   d = 0.2 sqrt(max(rows, columns)) NewtonSchulz(momentum m + (1 - momentum) g)
//   w = w - lr (weight_decay w + d)
// Which parameters: those of two dimensions, except the embeddings and the head, whose rows are
// looked up or compared by themselves. They and all vectors go with AdamW. A fused query, key and
// value [3 hidden, hidden] is three matrices if `split_qkv` says so.
class Muon final : public Optimizer {
 public:
  Muon(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

  void Step(int64_t update, double learning_rate) override;
  at::Tensor Direction(size_t index) const override;
  // Of a matrix ("momentum", m) and ("direction", d); of the others AdamW's.
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const override;

  static bool Takes(const Parameter& parameter);

 private:
  struct Matrix {
    Parameter parameter;
    at::Tensor weights;  // its master
    at::Tensor momentum;
    at::Tensor direction;
    int64_t parts;  // equal ones, row by row, each a matrix of its own
    double weight_decay;
  };
  static std::vector<Parameter> OthersOf(const std::vector<Parameter>& parameters);
  void StepMatrix(Matrix& matrix, double learning_rate) const;

  const double momentum_;
  std::vector<Matrix> matrices_;
  AdamW others_;
  std::vector<std::pair<bool, size_t>> position_;  // of each parameter: a matrix?, index there
};

// Close to U V^T of the singular value decomposition of each of [..., rows, columns], by five steps
//   X = 3.4445 X - 4.7750 (X X^T) X + 2.0315 (X X^T)^2 X
// from X over its Frobenius norm, which bring every singular value to between 0.7 and 1.2 (Jordan
// et al., 2024).
at::Tensor NewtonSchulz(const at::Tensor& matrices);

}  // namespace paci
