#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "worker/optimizer/matrix_optimizer.h"

namespace paci {

// Muon (Jordan et al., 2024), with the scale that lets it share AdamW's learning rate and decay
// (Moonlight, arXiv 2502.16982, section 2.2). For the gradient g of a matrix [rows, columns]:
//   m = momentum m + (1 - momentum) g
//   d = 0.2 sqrt(max(rows, columns)) NewtonSchulz(momentum m + (1 - momentum) g)
//
// A Muon that looks ahead makes up for gradients that are of weights `tau` updates back, and does
// so before it orthogonalises, which bounds what comes of it, noise included. With u what is
// orthogonalised,
//   mu = momentum^(1 + tau)               delay acts as a momentum itself, so a shorter one
//   m = mu m + (1 - mu) g
//   u = m + (1 - mu) (1 + tau) (g - m)    the newest gradient weighs more
//   d = 0.2 sqrt(max(rows, columns)) NewtonSchulz(u + min(1, tau) (u - u_before))
// Without lag it is the Muon above. Its AdamW part is not corrected.
class Muon final : public MatrixOptimizer {
 public:
  // It looks ahead if there is a `lag_of`.
  Muon(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters,
       LagOf lag_of = nullptr);

 protected:
  void StepMatrices(int64_t update, double learning_rate) override;
  at::Tensor DirectionOfMatrix(size_t i) const override { return kept_[i].direction; }
  // ("momentum", m), ("direction", d) and, if it looks ahead, ("ahead", u).
  std::vector<std::pair<std::string, at::Tensor>> StateOfMatrix(size_t i) const override;

 private:
  struct Kept {
    at::Tensor momentum;
    at::Tensor direction;
    at::Tensor ahead;  // undefined unless it looks ahead
  };
  // What is to be orthogonalised in this step, [parts, rows, columns].
  at::Tensor Ahead(size_t i, double lag);

  const double momentum_;
  const LagOf lag_of_;
  std::vector<Kept> kept_;  // of each matrix
  // Matrices of one block with the same sides, which are orthogonalised together: by the block's
  // name and the sides, the shorter first. Not of several blocks: where the model is cut must not
  // change the products that are made.
  std::map<std::pair<std::string, std::pair<int64_t, int64_t>>, std::vector<size_t>> groups_;
};

// Close to U V^T of the singular value decomposition of each of [..., rows, columns], by five steps
//   X = 3.4445 X - 4.7750 (X X^T) X + 2.0315 (X X^T)^2 X
// from X over its Frobenius norm, which bring every singular value to between 0.7 and 1.2 (Jordan
// et al., 2024).
at::Tensor NewtonSchulz(const at::Tensor& matrices);

}  // namespace paci
