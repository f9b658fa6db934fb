#include "common/huggingface/unit_weights.h"

#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"

namespace paci {
namespace {

using Weights = std::vector<WeightName>;

void AddNorm(Weights& weights, const std::string& name, int64_t hidden) {
  weights.push_back({absl::StrCat(name, ".weight"), {hidden}});
  weights.push_back({absl::StrCat(name, ".bias"), {hidden}});
}

void AddLinear(Weights& weights, const std::string& name, int64_t in, int64_t out) {
  weights.push_back({absl::StrCat(name, ".weight"), {out, in}, /*is_transposed=*/true});
  weights.push_back({absl::StrCat(name, ".bias"), {out}});
}

Weights Gpt2Block(const v1::ModelSpec& model, uint32_t block) {
  const std::string prefix = absl::StrCat("transformer.h.", block, ".");
  const int64_t hidden = model.hidden();
  Weights weights;
  AddNorm(weights, prefix + "ln_1", hidden);
  AddLinear(weights, prefix + "attn.c_attn", hidden, 3 * hidden);
  AddLinear(weights, prefix + "attn.c_proj", hidden, hidden);
  AddNorm(weights, prefix + "ln_2", hidden);
  AddLinear(weights, prefix + "mlp.c_fc", hidden, FfnHidden(model));
  AddLinear(weights, prefix + "mlp.c_proj", FfnHidden(model), hidden);
  return weights;
}

Weights LlamaBlock(const v1::ModelSpec& model, uint32_t block) {
  const std::string prefix = absl::StrCat("model.layers.", block, ".");
  const int64_t hidden = model.hidden();
  const int64_t inside = FfnHidden(model);
  return {{prefix + "input_layernorm.weight", {hidden}},
          {prefix + "self_attn.q_proj.weight", {hidden, hidden}},
          {prefix + "self_attn.k_proj.weight", {KvHidden(model), hidden}},
          {prefix + "self_attn.v_proj.weight", {KvHidden(model), hidden}},
          {prefix + "self_attn.o_proj.weight", {hidden, hidden}},
          {prefix + "post_attention_layernorm.weight", {hidden}},
          {prefix + "mlp.gate_proj.weight", {inside, hidden}},
          {prefix + "mlp.up_proj.weight", {inside, hidden}},
          {prefix + "mlp.down_proj.weight", {hidden, inside}}};
}

}  // namespace

std::vector<WeightName> WeightsOfUnit(const v1::ModelSpec& model, uint32_t unit) {
  const int64_t hidden = model.hidden();
  const int64_t vocabulary = model.vocabulary();
  const bool is_head = unit == model.layers() + 1;
  if (unit > 0 && !is_head) {
    return IsLlama(model) ? LlamaBlock(model, unit - 1) : Gpt2Block(model, unit - 1);
  }
  if (IsLlama(model)) {
    if (!is_head) return {{"model.embed_tokens.weight", {vocabulary, hidden}}};
    return {{"model.norm.weight", {hidden}}, {"lm_head.weight", {vocabulary, hidden}}};
  }
  if (!is_head) {
    return {{"transformer.wte.weight", {vocabulary, hidden}},
            {"transformer.wpe.weight", {int64_t{model.context()}, hidden}}};
  }
  Weights weights;
  AddNorm(weights, "transformer.ln_f", hidden);
  weights.push_back({"lm_head.weight", {vocabulary, hidden}});
  return weights;
}

}  // namespace paci
