#include "worker/model/deferred_gradients.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <utility>

namespace paci {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor Rows(const at::Tensor& tensor) { return tensor.reshape({-1, tensor.size(-1)}); }

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const std::optional<at::Tensor>& bias,
                            int64_t deferred) {
    context->save_for_backward({input, weight, bias.value_or(at::Tensor())});
    context->saved_data["deferred"] = deferred;
    return at::linear(input, weight, bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& input = saved[0];
    const at::Tensor& weight = saved[1];
    const at::Tensor gradient = Rows(gradients[0]);
    auto* const deferred =
        reinterpret_cast<DeferredGradients*>(context->saved_data["deferred"].toInt());
    deferred->Add(weight, saved[2], Rows(input), gradient);
    return {gradient.mm(weight).view(input.sizes()), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

void Accumulate(const at::Tensor& parameter, at::Tensor gradient) {
  at::Tensor& sum = parameter.mutable_grad();
  if (sum.defined()) {
    sum.add_(gradient);
  } else {
    sum = std::move(gradient);
  }
}

}  // namespace

void DeferredGradients::Add(at::Tensor weight, at::Tensor bias, at::Tensor input,
                            at::Tensor output_gradient) {
  left_.push_back(
      {std::move(weight), std::move(bias), std::move(input), std::move(output_gradient)});
}

void DeferredGradients::Run() {
  const at::NoGradGuard no_grad;
  for (const Left& left : std::exchange(left_, {})) {
    Accumulate(left.weight, left.output_gradient.t().mm(left.input));
    if (left.bias.defined()) Accumulate(left.bias, left.output_gradient.sum(0));
  }
}

at::Tensor DeferredLinear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                          DeferredGradients* deferred) {
  const std::optional<at::Tensor> optional_bias =
      bias.defined() ? std::optional(bias) : std::nullopt;
  return Linear::apply(input, weight, optional_bias, reinterpret_cast<int64_t>(deferred));
}

}  // namespace paci
