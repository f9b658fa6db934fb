#pragma once

#include <vector>

#include "worker/optimizer/matrix_optimizer.h"

namespace paci {

// Adam in a rotated basis: SOAP (Vyas et al., ICLR 2025, algorithm 3), whose axes are close to
// those along which the loss curves, so that a delayed gradient is wrong in few of Adam's
// coordinates at a time; what arXiv 2602.03515 takes against stale gradients. For the gradient g of
// a matrix,
//   L = beta2 L + (1 - beta2) g g^T,    R = beta2 R + (1 - beta2) g^T g
//   Q_L, Q_R: the eigenvectors of L and R, by falling eigenvalue, in the first step; then, every
//             `rotation_every` steps, the orthogonal factors of L Q_L and R Q_R
//   m = beta1 m + (1 - beta1) g,        v = beta2 v + (1 - beta2) (Q_L^T g Q_R)^2
//   d = Q_L ((Q_L^T m Q_R) / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)) Q_R^T
// A side of more than `rotation_limit` is not rotated. It keeps 2 rows columns + 2 rows^2
// + 2 columns^2 numbers of a matrix, where AdamW keeps 2 rows columns.
class Soap final : public MatrixOptimizer {
 public:
  Soap(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

 protected:
  void StepMatrices(int64_t update, double learning_rate) override;
  at::Tensor DirectionOfMatrix(size_t i) const override;
  // ("exp_avg", m), ("exp_avg_sq", v), ("step", t), and of each side that is rotated
  // ("left_covariance", L), ("left_basis", Q_L), ("right_covariance", R), ("right_basis", Q_R).
  std::vector<std::pair<std::string, at::Tensor>> StateOfMatrix(size_t i) const override;

 private:
  struct Side {
    at::Tensor covariance;  // [parts, side, side]; undefined if it is not rotated
    at::Tensor basis;       // the same; its columns
    void Update(const at::Tensor& product, double beta2, bool is_first, bool turns);
  };
  struct Moments {
    at::Tensor exp_avg;     // [parts, rows, columns], as it is
    at::Tensor exp_avg_sq;  // rotated
    at::Tensor step;
    Side left, right;

    // Where no side is rotated `matrix` itself.
    at::Tensor Rotated(const at::Tensor& matrix) const;
    at::Tensor RotatedBack(const at::Tensor& matrix) const;
  };

  const v1::OptimizerSpec spec_;
  std::vector<Moments> moments_;
};

}  // namespace paci
