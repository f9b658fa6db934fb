#pragma once

// The backward in two halves, for schedules that split it (Zero Bubble, ICLR 2024, section 2.1): a
// linear layer's backward computes the gradient of its input, and leaves that of its weights, half
// of the work, to be done later. Embeddings and norms, whose weights cost next to nothing, do both
// at once.

#include <ATen/core/Tensor.h>

#include <vector>

namespace paci {

// The weight gradients that the backward of one micro-batch has left undone, with what they need.
// Single-threaded. Throws what LibTorch throws.
class DeferredGradients {
 public:
  // `input` [rows, in], `output_gradient` [rows, out]; `bias` may be undefined.
  void Add(at::Tensor weight, at::Tensor bias, at::Tensor input, at::Tensor output_gradient);
  // Accumulates them into the weights' gradients, in the order of Add, and forgets them.
  void Run();

 private:
  struct Left {
    at::Tensor weight;
    at::Tensor bias;
    at::Tensor input;
    at::Tensor output_gradient;
  };
  std::vector<Left> left_;
};

// at::linear of `input` [..., in] whose backward adds to `deferred`, which outlives it.
at::Tensor DeferredLinear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                          DeferredGradients* deferred);

}  // namespace paci
