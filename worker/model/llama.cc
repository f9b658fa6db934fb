#include "worker/model/llama.h"

#include <ATen/ATen.h>

#include <numbers>

#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"
#include "worker/model/layers.h"

namespace paci {
namespace {

struct RmsNorm {
  at::Tensor weight;  // [hidden]
  double epsilon;

  RmsNorm(Initializer& make, const std::string& name, const v1::ModelSpec& model)
      : weight(make.Vector(absl::StrCat(name, ".weight"), model.hidden(), 1)),
        epsilon(NormEpsilon(model)) {}
  at::Tensor operator()(const at::Tensor& x) const {
    return at::rms_norm(x, weight.sizes(), weight, epsilon);
  }
};

struct Linear {
  at::Tensor weight;  // [out, in]

  Linear(Initializer& make, const std::string& name, int64_t in, int64_t out,
         double deviation = kInitialDeviation)
      : weight(make.Matrix(absl::StrCat(name, ".weight"), out, in, deviation)) {}
  at::Tensor operator()(const at::Tensor& x, DeferredGradients* deferred) const {
    return Project(x, weight, /*bias=*/{}, deferred);
  }
};

// Rotary positions (Su et al., arXiv 2104.09864): at position t the pair (x_i, x_{i + width / 2})
// is turned by t theta^(-2 i / width), or by what Llama 3.1 makes of that rate.
class Rotation {
 public:
  Rotation(int64_t width, const v1::ModelSpec& model) : width_(width), model_(model) {}

  // Of x [micro_batch, heads, length, width]; the same type.
  at::Tensor operator()(const at::Tensor& x) {
    Prepare(x);
    const int64_t half = width_ / 2;
    const at::Tensor turned = at::cat({-x.narrow(3, half, half), x.narrow(3, 0, half)}, 3);
    return x * cosine_.narrow(0, 0, x.size(2)) + turned * sine_.narrow(0, 0, x.size(2));
  }

 private:
  // Tables [length, width], as long as the longest sequence so far, in float32 until they are
  // rounded to the type of x.
  void Prepare(const at::Tensor& x) {
    if (cosine_.defined() && cosine_.size(0) >= x.size(2) && cosine_.dtype() == x.dtype()) return;
    const at::TensorOptions options = at::TensorOptions().device(x.device()).dtype(at::kFloat);
    const at::Tensor angles =
        at::outer(at::arange(x.size(2), options), Rates(options)).repeat({1, 2});
    cosine_ = angles.cos().to(x.scalar_type());
    sine_ = angles.sin().to(x.scalar_type());
  }

  // [width / 2], in radians a position.
  at::Tensor Rates(const at::TensorOptions& options) const {
    const at::Tensor exponents = at::arange(0, width_, 2, options) / static_cast<double>(width_);
    const at::Tensor rates = 1 / at::pow(RopeTheta(model_), exponents);
    if (!ScalesRope(model_)) return rates;
    const double low = model_.rope_low_frequency();
    const double high = model_.rope_high_frequency();
    const at::Tensor turns = rates * (model_.rope_original_context() / (2 * std::numbers::pi));
    // 0 below the low frequency, 1 above the high one.
    const at::Tensor share = ((turns - low) / (high - low)).clamp(0, 1);
    return rates * (share + (1 - share) / model_.rope_factor());
  }

  const int64_t width_;
  const v1::ModelSpec model_;
  at::Tensor cosine_;
  at::Tensor sine_;
};

class Embedding final : public ModelUnit {
 public:
  Embedding(const v1::ModelSpec& model, uint64_t seed)
      : dropout_(model.dropout()),
        is_tied_(model.tied_head()),
        make_(&parameters_, "model.", seed, 0),
        tokens_(make_.Matrix("embed_tokens.weight", model.vocabulary(), model.hidden())) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    return dropout(at::embedding(tokens_, input));
  }
  Parameter* shared() override { return is_tied_ ? &parameters_.front() : nullptr; }

 private:
  const double dropout_;
  const bool is_tied_;
  Initializer make_;
  const at::Tensor tokens_;  // [vocabulary, hidden]
};

class Block final : public ModelUnit {
 public:
  Block(const v1::ModelSpec& model, uint32_t unit, uint64_t seed)
      : heads_(model.heads()),
        kv_heads_(KvHeads(model)),
        width_(model.hidden() / model.heads()),
        dropout_(model.dropout()),
        rotation_(width_, model),
        make_(&parameters_, absl::StrCat("model.layers.", unit - 1, "."), seed, unit),
        norm_1_(make_, "input_layernorm", model),
        query_(make_, "self_attn.q_proj", model.hidden(), heads_ * width_),
        key_(make_, "self_attn.k_proj", model.hidden(), kv_heads_ * width_),
        value_(make_, "self_attn.v_proj", model.hidden(), kv_heads_ * width_),
        projection_(make_, "self_attn.o_proj", heads_ * width_, model.hidden(),
                    ResidualDeviation(model)),
        norm_2_(make_, "post_attention_layernorm", model),
        gate_(make_, "mlp.gate_proj", model.hidden(), FfnHidden(model)),
        up_(make_, "mlp.up_proj", model.hidden(), FfnHidden(model)),
        down_(make_, "mlp.down_proj", FfnHidden(model), model.hidden(), ResidualDeviation(model)) {}

  at::Tensor Forward(const at::Tensor& input, const ForwardOptions& options) override {
    Dropout dropout(dropout_, options.dropout_seed, input.device());
    DeferredGradients* const deferred = options.deferred;
    const at::Tensor normed = norm_1_(input);
    const at::Tensor q = rotation_(InHeads(query_(normed, deferred), heads_));
    const at::Tensor k = rotation_(InHeads(key_(normed, deferred), kv_heads_));
    const at::Tensor v = InHeads(value_(normed, deferred), kv_heads_);
    const at::Tensor mixed = Attention(q, k, v, dropout);
    const at::Tensor x = input + dropout(projection_(mixed, deferred));
    const at::Tensor again = norm_2_(x);
    const at::Tensor gated = at::silu(gate_(again, deferred)) * up_(again, deferred);
    return x + dropout(down_(gated, deferred));
  }

 private:
  // [micro_batch, length, heads * width] -> [micro_batch, heads, length, width]
  at::Tensor InHeads(const at::Tensor& x, int64_t heads) const {
    return x.view({x.size(0), x.size(1), heads, width_}).transpose(1, 2);
  }

  const int64_t heads_;
  const int64_t kv_heads_;
  const int64_t width_;  // of a head
  const double dropout_;
  Rotation rotation_;
  Initializer make_;
  const RmsNorm norm_1_;
  const Linear query_;
  const Linear key_;
  const Linear value_;
  const Linear projection_;
  const RmsNorm norm_2_;
  const Linear gate_;
  const Linear up_;
  const Linear down_;
};

}  // namespace

std::unique_ptr<ModelUnit> MakeLlamaUnit(const v1::ModelSpec& model, uint32_t unit, uint64_t seed) {
  if (unit == 0) return std::make_unique<Embedding>(model, seed);
  if (unit <= model.layers()) return std::make_unique<Block>(model, unit, seed);
  return std::make_unique<Head<RmsNorm>>(model, unit, seed, "model.norm");
}

}  // namespace paci
