#include "common/huggingface/config_json.h"

#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/config/model_shape.h"
#include "nlohmann/json.hpp"

namespace paci {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMaxCount = 4294967295;

// Reads keys of an object, and keeps the first problem. Never throws.
class Config {
 public:
  Config(Json json, absl::string_view path) : json_(std::move(json)), path_(path) {}

  const absl::Status& status() const { return status_; }

  // Null and a key that is not there are the same to `transformers`.
  bool Has(const char* key) const { return json_.contains(key) && !json_.at(key).is_null(); }

  uint32_t Count(const char* key, std::optional<uint32_t> fallback = std::nullopt) {
    if (!Has(key) && fallback) return *fallback;
    const double value = Number(key);
    if (status_.ok() && (value < 1 || value > kMaxCount || value != std::floor(value))) {
      Fail(key, "a whole number of at least 1");
    }
    return status_.ok() ? static_cast<uint32_t>(value) : 0;
  }
  double Number(const char* key, std::optional<double> fallback = std::nullopt) {
    if (!Has(key) && fallback) return *fallback;
    if (Has(key) && json_.at(key).is_number()) return json_.at(key).get<double>();
    Fail(key, "a number");
    return 0;
  }
  std::string Text(const char* key, absl::string_view fallback = "") {
    if (!Has(key)) return std::string(fallback);
    if (json_.at(key).is_string()) return json_.at(key).get<std::string>();
    Fail(key, "a text");
    return "";
  }
  bool Flag(const char* key, bool fallback) {
    if (!Has(key)) return fallback;
    if (json_.at(key).is_boolean()) return json_.at(key).get<bool>();
    Fail(key, "true or false");
    return fallback;
  }
  // The object at `key`; empty if there is none.
  Config Object(const char* key) const {
    const bool is_there = json_.contains(key) && json_.at(key).is_object();
    return Config(is_there ? json_.at(key) : Json::object(), absl::StrCat(path_, ", ", key));
  }

  void Expect(bool is_so, const char* key, absl::string_view what) {
    if (!is_so) Fail(key, what);
  }
  void Take(const absl::Status& status) { status_.Update(status); }

 private:
  void Fail(const char* key, absl::string_view what) {
    constexpr size_t kMostOfAValue = 100;
    const std::string value = Has(key) ? json_.at(key)
                                             .dump(-1, ' ', false, Json::error_handler_t::replace)
                                             .substr(0, kMostOfAValue)
                                       : "missing";
    status_.Update(absl::InvalidArgumentError(
        absl::StrCat(path_, ": ", key, " is ", value, "; expected ", what)));
  }

  const Json json_;
  const std::string path_;
  absl::Status status_;
};

absl::StatusOr<Json> Parse(absl::string_view json, absl::string_view path) {
  Json parsed = Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (parsed.is_object()) return parsed;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is no JSON object; expected a config.json"));
}

// What ParseJobFile makes of a section that does not say.
void SetDefaultRope(v1::ModelSpec& model) {
  model.set_rope_theta(RopeTheta(v1::ModelSpec()));
  model.set_rope_factor(1);
  model.set_rope_low_frequency(1);
  model.set_rope_high_frequency(4);
  model.set_rope_original_context(8192);
}

v1::ModelSpec Gpt2(Config& config) {
  v1::ModelSpec model;
  model.set_family(v1::MODEL_FAMILY_GPT2);
  model.set_layers(config.Count("n_layer"));
  model.set_hidden(config.Count("n_embd"));
  model.set_heads(config.Count("n_head"));
  model.set_kv_heads(model.heads());
  model.set_context(config.Count("n_positions"));
  model.set_ffn_hidden(config.Count("n_inner", 4 * model.hidden()));
  model.set_norm_epsilon(config.Number("layer_norm_epsilon", 1e-5));
  SetDefaultRope(model);
  const std::string activation = config.Text("activation_function", "gelu_new");
  config.Expect(activation == "gelu_new" || activation == "gelu_pytorch_tanh",
                "activation_function", "gelu_new or gelu_pytorch_tanh");
  config.Expect(config.Flag("scale_attn_weights", true), "scale_attn_weights", "true");
  config.Expect(!config.Flag("scale_attn_by_inverse_layer_idx", false),
                "scale_attn_by_inverse_layer_idx", "false");
  config.Expect(!config.Flag("add_cross_attention", false), "add_cross_attention", "false");
  return model;
}

// Newer configs have rope_parameters, older ones rope_theta and rope_scaling.
void SetRope(Config& config, v1::ModelSpec& model) {
  SetDefaultRope(model);
  Config rope = config.Object(config.Has("rope_parameters") ? "rope_parameters" : "rope_scaling");
  const std::string type = rope.Text("rope_type", rope.Text("type", "default"));
  rope.Expect(type == "default" || type == "llama3", rope.Has("rope_type") ? "rope_type" : "type",
              "default or llama3: no other scaling of rotary positions is computed here");
  model.set_rope_theta(rope.Has("rope_theta") ? rope.Number("rope_theta")
                                              : config.Number("rope_theta", 10000));
  if (type == "llama3") {
    model.set_rope_factor(rope.Number("factor"));
    model.set_rope_low_frequency(rope.Number("low_freq_factor"));
    model.set_rope_high_frequency(rope.Number("high_freq_factor"));
    model.set_rope_original_context(rope.Count("original_max_position_embeddings"));
  }
  config.Take(rope.status());
}

v1::ModelSpec Llama(Config& config) {
  v1::ModelSpec model;
  model.set_family(v1::MODEL_FAMILY_LLAMA);
  model.set_layers(config.Count("num_hidden_layers"));
  model.set_hidden(config.Count("hidden_size"));
  model.set_heads(config.Count("num_attention_heads"));
  model.set_kv_heads(config.Count("num_key_value_heads", model.heads()));
  model.set_context(config.Count("max_position_embeddings"));
  model.set_ffn_hidden(config.Count("intermediate_size"));
  model.set_norm_epsilon(config.Number("rms_norm_eps", 1e-6));
  SetRope(config, model);
  config.Expect(config.Text("hidden_act", "silu") == "silu", "hidden_act", "silu");
  config.Expect(!config.Flag("attention_bias", false), "attention_bias", "false");
  config.Expect(!config.Flag("mlp_bias", false), "mlp_bias", "false");
  if (config.status().ok()) {
    const uint32_t width = model.hidden() / model.heads();
    config.Expect(config.Count("head_dim", width) == width, "head_dim",
                  absl::StrCat(width, ", hidden_size / num_attention_heads"));
  }
  return model;
}

}  // namespace

absl::StatusOr<v1::ModelSpec> ModelOfConfig(absl::string_view json, absl::string_view path) {
  absl::StatusOr<Json> parsed = Parse(json, path);
  if (!parsed.ok()) return parsed.status();
  Config config(*std::move(parsed), path);
  const std::string type = config.Text("model_type");
  config.Expect(type == "gpt2" || type == "llama", "model_type", "\"gpt2\" or \"llama\"");
  if (!config.status().ok()) return config.status();
  v1::ModelSpec model = type == "llama" ? Llama(config) : Gpt2(config);
  model.set_vocabulary(config.Count("vocab_size"));
  model.set_tied_head(config.Flag("tie_word_embeddings", type == "gpt2"));
  if (!config.status().ok()) return config.status();
  return model;
}

std::string ConfigOf(const v1::ModelSpec& model) {
  Json json;
  if (IsLlama(model)) {
    json["architectures"] = {"LlamaForCausalLM"};
    json["model_type"] = "llama";
    json["hidden_size"] = model.hidden();
    json["intermediate_size"] = FfnHidden(model);
    json["num_hidden_layers"] = model.layers();
    json["num_attention_heads"] = model.heads();
    json["num_key_value_heads"] = KvHeads(model);
    json["max_position_embeddings"] = model.context();
    json["rms_norm_eps"] = NormEpsilon(model);
    json["rope_theta"] = RopeTheta(model);
    if (ScalesRope(model)) {
      json["rope_scaling"] = {{"rope_type", "llama3"},
                              {"factor", model.rope_factor()},
                              {"low_freq_factor", model.rope_low_frequency()},
                              {"high_freq_factor", model.rope_high_frequency()},
                              {"original_max_position_embeddings", model.rope_original_context()}};
    }
    json["hidden_act"] = "silu";
    json["attention_bias"] = false;
    json["mlp_bias"] = false;
  } else {
    json["architectures"] = {"GPT2LMHeadModel"};
    json["model_type"] = "gpt2";
    json["n_embd"] = model.hidden();
    json["n_inner"] = FfnHidden(model);
    json["n_layer"] = model.layers();
    json["n_head"] = model.heads();
    json["n_positions"] = model.context();
    json["layer_norm_epsilon"] = NormEpsilon(model);
    json["activation_function"] = "gelu_new";
    json["embd_pdrop"] = json["attn_pdrop"] = json["resid_pdrop"] = model.dropout();
  }
  json["vocab_size"] = model.vocabulary();
  json["tie_word_embeddings"] = model.tied_head();
  json["torch_dtype"] = "float32";
  return json.dump(2) + "\n";
}

}  // namespace paci
