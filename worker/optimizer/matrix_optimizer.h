#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "worker/optimizer/adamw.h"

namespace paci {

// The part that optimizers of matrices have in common: they take the parameters of two dimensions,
// except the embeddings and the head, whose rows are looked up or compared by themselves. Those and
// all vectors go with AdamW. A fused query, key and value [3 hidden, hidden] is three matrices if
// `split_qkv` says so. For a direction d,
//   w = w - lr (weight_decay w + d)
class MatrixOptimizer : public Optimizer {
 public:
  void Step(int64_t update, double learning_rate) final;
  at::Tensor Direction(size_t index) const final;
  std::vector<std::pair<std::string, at::Tensor>> State(size_t index) const final;

 protected:
  struct Matrix {
    Parameter parameter;
    std::vector<int64_t> shape;  // [parts, rows, columns]: so many equal matrices, row by row
    double weight_decay = 0;

    at::Tensor Gradient() const { return parameter.gradient().view(shape); }
    void StepAlong(const at::Tensor& direction, double learning_rate) const;
  };

  MatrixOptimizer(const v1::OptimizerSpec& spec, const std::vector<Parameter>& parameters);

  virtual void StepMatrices(int64_t update, double learning_rate) = 0;
  virtual at::Tensor DirectionOfMatrix(size_t i) const = 0;
  virtual std::vector<std::pair<std::string, at::Tensor>> StateOfMatrix(size_t i) const = 0;

  const std::vector<Matrix>& matrices() const { return matrices_; }

 private:
  std::vector<Matrix> matrices_;
  AdamW others_;
  std::vector<std::pair<bool, size_t>> position_;  // of each parameter: a matrix?, index there
};

}  // namespace paci
