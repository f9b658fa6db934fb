#include "worker/model/cross_entropy.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace paci {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Of BFloat16 logits, computed in float32. Theirs is by far the largest tensor of a model's last
// stage, and what is done with it is bound by memory: the gradient is written in BFloat16 at once,
// where LibTorch's own operations make three tensors of float32 on the way.
struct NarrowCrossEntropy : torch::autograd::Function<NarrowCrossEntropy> {
  // logits [rows, vocabulary], targets [rows]
  static at::Tensor forward(AutogradContext* context, const at::Tensor& logits,
                            const at::Tensor& targets) {
    const at::Tensor log_probabilities = at::log_softmax(logits.to(at::kFloat), 1);
    context->save_for_backward({log_probabilities, targets});
    return at::nll_loss(log_probabilities, targets);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& log_probabilities = saved[0];
    const at::Tensor targets = saved[1].unsqueeze(1);
    at::Tensor gradient =
        at::empty(log_probabilities.sizes(), log_probabilities.options().dtype(at::kBFloat16));
    at::exp_out(gradient, log_probabilities);
    const at::Tensor of_targets = log_probabilities.gather(1, targets).exp_().sub_(1);
    gradient.scatter_(1, targets, of_targets.to(at::kBFloat16));
    gradient.mul_(gradients[0] / gradient.size(0));
    return {gradient, at::Tensor()};
  }
};

}  // namespace

at::Tensor CrossEntropy(const at::Tensor& logits, const at::Tensor& targets) {
  const at::Tensor rows = logits.flatten(0, 1);
  if (rows.scalar_type() == at::kBFloat16) {
    return NarrowCrossEntropy::apply(rows, targets.flatten());
  }
  return at::cross_entropy_loss(rows, targets.flatten());
}

}  // namespace paci
