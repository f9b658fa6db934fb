#include "worker/model/layers.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

at::Generator MakeGenerator(uint64_t seed, at::Device device) {
  at::Generator generator = at::globalContext().defaultGenerator(device).clone();
  generator.set_current_seed(seed);
  return generator;
}

// The same by its definition, for probabilities that are dropped.
at::Tensor DroppedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            Dropout& dropout) {
  const int64_t length = q.size(2);
  const at::Tensor future =
      at::ones({length, length}, q.options().dtype(at::kBool).requires_grad(false)).triu(1);
  const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor scores = at::matmul(q, k.transpose(2, 3))
                                .mul(scale)
                                .masked_fill(future, -std::numeric_limits<double>::infinity());
  return at::matmul(dropout(at::softmax(scores, -1)), v);
}

}  // namespace

double ResidualDeviation(const v1::ModelSpec& model) {
  return kInitialDeviation / std::sqrt(2.0 * model.layers());
}

at::Tensor Initializer::Matrix(const std::string& name, int64_t rows, int64_t columns,
                               double deviation) {
  at::Tensor tensor = at::empty({rows, columns}, at::kFloat);
  const uint64_t seed = MixSeed(seed_, unit_, parameters_->size());
  tensor.normal_(0, deviation, at::make_generator<at::CPUGeneratorImpl>(seed));
  return Add(name, std::move(tensor), /*decays=*/true);
}

at::Tensor Initializer::Vector(const std::string& name, int64_t size, float value) {
  return Add(name, at::full({size}, value, at::kFloat), /*decays=*/false);
}

at::Tensor Initializer::Add(const std::string& name, at::Tensor tensor, bool decays) {
  tensor.set_requires_grad(true);
  parameters_->emplace_back(absl::StrCat(prefix_, name), tensor, decays);
  return tensor;
}

Parameter CopyOfEmbedding(const v1::ModelSpec& model) {
  const at::Tensor zeros = at::zeros({model.vocabulary(), model.hidden()}, at::kFloat);
  return {"lm_head.weight", at::Tensor(zeros).set_requires_grad(true), /*decays=*/true};
}

at::Tensor Project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   DeferredGradients* deferred) {
  return deferred != nullptr ? DeferredLinear(x, weight, bias, deferred)
                             : at::linear(x, weight, bias);
}

Dropout::Dropout(double probability, std::optional<uint64_t> seed, at::Device device)
    : probability_(probability) {
  if (seed && probability > 0) generator_ = MakeGenerator(*seed, device);
}

at::Tensor Dropout::operator()(const at::Tensor& x) {
  if (!is_on()) return x;
  const double keep = 1 - probability_;
  at::Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
  mask.bernoulli_(keep, generator_).div_(keep);
  return x * mask;
}

at::Tensor Attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     Dropout& dropout) {
  const int64_t served = q.size(1) / k.size(1);
  at::Tensor mixed;
  if (!dropout.is_on()) {
    mixed = at::scaled_dot_product_attention(q, k, v, /*attn_mask=*/{}, /*dropout_p=*/0,
                                             /*is_causal=*/true, /*scale=*/{},
                                             /*enable_gqa=*/served > 1);
  } else if (served > 1) {
    mixed = DroppedAttention(q, k.repeat_interleave(served, 1), v.repeat_interleave(served, 1),
                             dropout);
  } else {
    mixed = DroppedAttention(q, k, v, dropout);
  }
  return mixed.transpose(1, 2).reshape({q.size(0), q.size(2), q.size(1) * q.size(3)});
}

}  // namespace paci
