#include "worker/model/gpt.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/random/mix.h"

namespace paci {
namespace {

constexpr double kInitialDeviation = 0.02;
constexpr double kNormEpsilon = 1e-5;

// Makes the parameters of one unit, each from a stream of random numbers of its own.
class Initializer {
 public:
  Initializer(std::vector<Parameter>* parameters, std::string prefix, uint64_t seed, uint32_t unit)
      : parameters_(parameters), prefix_(std::move(prefix)), seed_(seed), unit_(unit) {}

  at::Tensor Matrix(const std::string& name, int64_t rows, int64_t columns,
                    double deviation = kInitialDeviation) {
    at::Tensor tensor = at::empty({rows, columns}, at::kFloat);
    const uint64_t seed = MixSeed(seed_, unit_, parameters_->size());
    tensor.normal_(0, deviation, at::make_generator<at::CPUGeneratorImpl>(seed));
    return Add(name, std::move(tensor), /*decays=*/true);
  }
  at::Tensor Vector(const std::string& name, int64_t size, float value) {
    return Add(name, at::full({size}, value, at::kFloat), /*decays=*/false);
  }

 private:
  at::Tensor Add(const std::string& name, at::Tensor tensor, bool decays) {
    tensor.set_requires_grad(true);
    parameters_->emplace_back(absl::StrCat(prefix_, name), tensor, decays);
    return tensor;
  }

  std::vector<Parameter>* const parameters_;
  const std::string prefix_;
  const uint64_t seed_;
  const uint32_t unit_;
};

at::Tensor Project(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                   DeferredGradients* deferred) {
  return deferred != nullptr ? DeferredLinear(x, weight, bias, deferred)
                             : at::linear(x, weight, bias);
}

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]

  Linear(Initializer& make, const std::string& name, int64_t in, int64_t out, double deviation)
      : weight(make.Matrix(absl::StrCat(name, ".weight"), out, in, deviation)),
        bias(make.Vector(absl::StrCat(name, ".bias"), out, 0)) {}
  at::Tensor operator()(const at::Tensor& x, DeferredGradients* deferred) const {
    return Project(x, weight, bias, deferred);
  }
};

struct LayerNorm {
  at::Tensor weight;  // [hidden]
  at::Tensor bias;    // [hidden]

  LayerNorm(Initializer& make, const std::string& name, int64_t hidden)
      : weight(make.Vector(absl::StrCat(name, ".weight"), hidden, 1)),
        bias(make.Vector(absl::StrCat(name, ".bias"), hidden, 0)) {}
  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, weight.sizes(), weight, bias, kNormEpsilon);
  }
};

// Drops elements by a generator of its own: LibTorch's dropout draws from one that all threads of a
// process share, which would make a stage's bits depend on its neighbours'.
class Dropout {
 public:
  Dropout(double probability, std::optional<uint64_t> seed, at::Device device)
      : probability_(probability) {
    if (seed && probability > 0) generator_ = MakeGenerator(*seed, device);
  }

  bool is_on() const { return generator_.has_value(); }
  at::Tensor operator()(const at::Tensor& x) {
    if (!is_on()) return x;
    const double keep = 1 - probability_;
    at::Tensor mask = at::empty(x.sizes(), x.options().requires_grad(false));
    mask.bernoulli_(keep, generator_).div_(keep);
    return x * mask;
  }

 private:
  static at::Generator MakeGenerator(uint64_t seed, at::Device device) {
    at::Generator generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(seed);
    return generator;
  }

  const double probability_;
  std::optional<at::Generator> generator_;
};

class Embedding final : public ModelUnit {
 public:
  Embedding(const v1::ModelSpec& model, uint64_t seed)
      : dropout_(model.dropout()),
        make_(&parameters_, "transformer.", seed, 0),
        tokens_(make_.Matrix("wte.weight", model.vocabulary(), model.hidden())),
        positions_(make_.Matrix("wpe.weight", model.context(), model.hidden())) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    return dropout(at::embedding(tokens_, input) + positions_.narrow(0, 0, input.size(1)));
  }

 private:
  const double dropout_;
  Initializer make_;
  const at::Tensor tokens_;     // [vocabulary, hidden]
  const at::Tensor positions_;  // [context, hidden]
};

class Block final : public ModelUnit {
 public:
  Block(const v1::ModelSpec& model, uint32_t unit, uint64_t seed)
      : heads_(model.heads()),
        dropout_(model.dropout()),
        make_(&parameters_, absl::StrCat("transformer.h.", unit - 1, "."), seed, unit),
        norm_1_(make_, "ln_1", model.hidden()),
        qkv_(make_, "attn.c_attn", model.hidden(), 3 * int64_t{model.hidden()}, kInitialDeviation),
        projection_(make_, "attn.c_proj", model.hidden(), model.hidden(), ResidualDeviation(model)),
        norm_2_(make_, "ln_2", model.hidden()),
        expand_(make_, "mlp.c_fc", model.hidden(), 4 * int64_t{model.hidden()}, kInitialDeviation),
        contract_(make_, "mlp.c_proj", 4 * int64_t{model.hidden()}, model.hidden(),
                  ResidualDeviation(model)) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    DeferredGradients* const deferred = options.deferred;
    const at::Tensor qkv = qkv_(norm_1_(input), deferred);
    const at::Tensor x = input + dropout(projection_(Attention(qkv, dropout), deferred));
    const at::Tensor expanded = at::gelu(expand_(norm_2_(x), deferred), "tanh");
    return x + dropout(contract_(expanded, deferred));
  }

 private:
  static double ResidualDeviation(const v1::ModelSpec& model) {
    return kInitialDeviation / std::sqrt(2.0 * model.layers());
  }

  // [micro_batch, context, 3 * hidden] -> [micro_batch, context, hidden]
  at::Tensor Attention(const at::Tensor& qkv, Dropout& dropout) const {
    const int64_t batch = qkv.size(0), context = qkv.size(1), hidden = qkv.size(2) / 3;
    // Three views [micro_batch, context, heads, hidden / heads]; unbind, not three selections, each
    // of whose backwards would make a gradient of all.
    const std::vector<at::Tensor> parts =
        qkv.view({batch, context, 3, heads_, hidden / heads_}).unbind(2);
    const at::Tensor q = parts[0].transpose(1, 2), k = parts[1].transpose(1, 2),
                     v = parts[2].transpose(1, 2);
    const at::Tensor mixed =
        dropout.is_on() ? DroppedAttention(q, k, v, dropout)
                        : at::scaled_dot_product_attention(q, k, v, /*attn_mask=*/{},
                                                           /*dropout_p=*/0, /*is_causal=*/true);
    return mixed.transpose(1, 2).reshape({batch, context, hidden});
  }

  static at::Tensor DroppedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                     Dropout& dropout) {
    const int64_t context = q.size(2);
    const at::Tensor future =
        at::ones({context, context}, q.options().dtype(at::kBool).requires_grad(false)).triu(1);
    const double scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
    const at::Tensor scores = at::matmul(q, k.transpose(2, 3))
                                  .mul(scale)
                                  .masked_fill(future, -std::numeric_limits<double>::infinity());
    return at::matmul(dropout(at::softmax(scores, -1)), v);
  }

  const int64_t heads_;
  const double dropout_;
  Initializer make_;
  const LayerNorm norm_1_;
  const Linear qkv_;
  const Linear projection_;
  const LayerNorm norm_2_;
  const Linear expand_;
  const Linear contract_;
};

class Head final : public ModelUnit {
 public:
  Head(const v1::ModelSpec& model, uint32_t unit, uint64_t seed)
      : make_(&parameters_, "", seed, unit),
        norm_(make_, "transformer.ln_f", model.hidden()),
        weight_(make_.Matrix("lm_head.weight", model.vocabulary(), model.hidden())) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    return Project(norm_(input), weight_, /*bias=*/{}, options.deferred);
  }

 private:
  Initializer make_;
  const LayerNorm norm_;
  const at::Tensor weight_;  // [vocabulary, hidden]
};

}  // namespace

void ModelUnit::MoveTo(at::Device device, at::ScalarType type) {
  if (device.is_cpu() && type == at::kFloat) return;  // as they were made
  for (Parameter& parameter : parameters_) {
    parameter.master = parameter.master.to(device);
    if (type == at::kFloat) {
      parameter.tensor.set_data(parameter.master);
      parameter.master = parameter.tensor.variable_data();
    } else {
      parameter.tensor.set_data(parameter.master.to(type));
      parameter.sum = at::zeros_like(parameter.master);
    }
  }
}

uint32_t UnitCount(const v1::ModelSpec& model) { return model.layers() + 2; }

std::unique_ptr<ModelUnit> MakeUnit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed) {
  if (unit == 0) return std::make_unique<Embedding>(model, seed);
  if (unit <= model.layers()) return std::make_unique<Block>(model, unit, seed);
  return std::make_unique<Head>(model, unit, seed);
}

uint64_t MixSeed(uint64_t seed, uint64_t a, uint64_t b) {
  return CombineKeys(CombineKeys(seed, a), b);
}

}  // namespace paci
