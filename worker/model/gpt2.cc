#include "worker/model/gpt2.h"

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"
#include "worker/model/layers.h"

namespace paci {
namespace {

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
  double epsilon;

  LayerNorm(Initializer& make, const std::string& name, const v1::ModelSpec& model)
      : weight(make.Vector(absl::StrCat(name, ".weight"), model.hidden(), 1)),
        bias(make.Vector(absl::StrCat(name, ".bias"), model.hidden(), 0)),
        epsilon(NormEpsilon(model)) {}
  at::Tensor operator()(const at::Tensor& x) const {
    return at::layer_norm(x, weight.sizes(), weight, bias, epsilon);
  }
};

class Embedding final : public ModelUnit {
 public:
  Embedding(const v1::ModelSpec& model, uint64_t seed)
      : dropout_(model.dropout()),
        is_tied_(model.tied_head()),
        make_(&parameters_, "transformer.", seed, 0),
        tokens_(make_.Matrix("wte.weight", model.vocabulary(), model.hidden())),
        positions_(make_.Matrix("wpe.weight", model.context(), model.hidden())) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    return dropout(at::embedding(tokens_, input) + positions_.narrow(0, 0, input.size(1)));
  }
  Parameter* shared() override { return is_tied_ ? &parameters_.front() : nullptr; }

 private:
  const double dropout_;
  const bool is_tied_;
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
        norm_1_(make_, "ln_1", model),
        qkv_(make_, "attn.c_attn", model.hidden(), 3 * int64_t{model.hidden()}, kInitialDeviation),
        projection_(make_, "attn.c_proj", model.hidden(), model.hidden(), ResidualDeviation(model)),
        norm_2_(make_, "ln_2", model),
        expand_(make_, "mlp.c_fc", model.hidden(), FfnHidden(model), kInitialDeviation),
        contract_(make_, "mlp.c_proj", FfnHidden(model), model.hidden(), ResidualDeviation(model)) {
  }

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    DeferredGradients* const deferred = options.deferred;
    const at::Tensor qkv = qkv_(norm_1_(input), deferred);
    const at::Tensor x = input + dropout(projection_(Mix(qkv, dropout), deferred));
    const at::Tensor expanded = at::gelu(expand_(norm_2_(x), deferred), "tanh");
    return x + dropout(contract_(expanded, deferred));
  }

 private:
  // [micro_batch, context, 3 * hidden] -> [micro_batch, context, hidden]
  at::Tensor Mix(const at::Tensor& qkv, Dropout& dropout) const {
    const int64_t batch = qkv.size(0), context = qkv.size(1), hidden = qkv.size(2) / 3;
    // Three views [micro_batch, context, heads, hidden / heads]; unbind, not three selections, each
    // of whose backwards would make a gradient of all.
    const std::vector<at::Tensor> parts =
        qkv.view({batch, context, 3, heads_, hidden / heads_}).unbind(2);
    return Attention(parts[0].transpose(1, 2), parts[1].transpose(1, 2), parts[2].transpose(1, 2),
                     dropout);
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

}  // namespace

std::unique_ptr<ModelUnit> MakeGpt2Unit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed) {
  if (unit == 0) return std::make_unique<Embedding>(model, seed);
  if (unit <= model.layers()) return std::make_unique<Block>(model, unit, seed);
  return std::make_unique<Head<LayerNorm>>(model, unit, seed, "transformer.ln_f");
}

}  // namespace paci
