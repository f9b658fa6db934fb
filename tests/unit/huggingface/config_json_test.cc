#include "common/huggingface/config_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"

namespace paci {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kGpt2[] = R"({"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 4,
  "n_positions": 16, "n_inner": null, "vocab_size": 50, "activation_function": "gelu_new"})";
constexpr char kLlama[] = R"({"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 16,
  "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
  "intermediate_size": 40, "rms_norm_eps": 1e-6, "vocab_size": 50, "rope_scaling": null,
  "rope_theta": 500000.0})";

std::string With(const char* json, const std::string& key, const nlohmann::json& value) {
  nlohmann::json changed = nlohmann::json::parse(json);
  changed[key] = value;
  return changed.dump();
}

std::string ErrorOf(const std::string& json) {
  const auto model = ModelOfConfig(json, "a/config.json");
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(model.status().message());
}

TEST(ConfigJson, OfGpt2FillsInWhatTransformersDoes) {
  const auto model = ModelOfConfig(kGpt2, "config.json");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->ffn_hidden(), 32);
  EXPECT_EQ(model->kv_heads(), 4);
  EXPECT_EQ(model->norm_epsilon(), 1e-5);
  EXPECT_TRUE(model->tied_head());
}

TEST(ConfigJson, OfLlamaHasItsOwnNames) {
  const auto model = ModelOfConfig(kLlama, "config.json");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->family(), v1::MODEL_FAMILY_LLAMA);
  EXPECT_EQ(model->kv_heads(), 2);
  EXPECT_EQ(model->ffn_hidden(), 40);
  EXPECT_EQ(model->norm_epsilon(), 1e-6);
  EXPECT_EQ(model->rope_theta(), 500000);
  EXPECT_FALSE(model->tied_head());
  EXPECT_TRUE(ModelOfConfig(With(kLlama, "tie_word_embeddings", true), "c")->tied_head());
}

TEST(ConfigJson, OfLlamaFillsInWhatTransformersDoes) {
  nlohmann::json json = nlohmann::json::parse(kLlama);
  for (const char* key : {"rms_norm_eps", "num_key_value_heads", "rope_theta"}) json.erase(key);
  const auto model = ModelOfConfig(json.dump(), "config.json");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->norm_epsilon(), 1e-6);
  EXPECT_EQ(model->kv_heads(), model->heads());
  EXPECT_EQ(model->rope_theta(), 10000);
}

TEST(ConfigJson, TakesRotationsWhereNewerVersionsPutThem) {
  nlohmann::json json = nlohmann::json::parse(kLlama);
  json.erase("rope_theta");
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 123.0}};
  const auto model = ModelOfConfig(json.dump(), "config.json");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->rope_theta(), 123);
}

TEST(ConfigJson, TakesTheScaledRotationsOfLlama3AndNoOthers) {
  const nlohmann::json scaling = {{"rope_type", "llama3"},
                                  {"factor", 32.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 8192}};
  const auto model = ModelOfConfig(With(kLlama, "rope_scaling", scaling), "config.json");
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->rope_theta(), 500000);
  EXPECT_EQ(model->rope_factor(), 32);
  EXPECT_EQ(model->rope_low_frequency(), 1);
  EXPECT_EQ(model->rope_high_frequency(), 4);
  EXPECT_EQ(model->rope_original_context(), 8192);
  EXPECT_EQ(nlohmann::json::parse(ConfigOf(*model))["rope_scaling"], scaling);
  nlohmann::json less = scaling;
  less.erase("high_freq_factor");
  EXPECT_THAT(ErrorOf(With(kLlama, "rope_scaling", less)),
              HasSubstr("rope_scaling: high_freq_factor is missing"));
}

TEST(ConfigJson, IsReadAsItWasWritten) {
  for (const char* json : {kGpt2, kLlama}) {
    const auto model = ModelOfConfig(json, "config.json");
    ASSERT_TRUE(model.ok()) << model.status();
    const auto again = ModelOfConfig(ConfigOf(*model), "config.json");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(*model, *again))
        << model->DebugString() << again->DebugString();
  }
}

TEST(ConfigJson, RefusesWhatItWouldComputeOtherwise) {
  EXPECT_THAT(ErrorOf(With(kGpt2, "model_type", "bert")),
              AllOf(HasSubstr("a/config.json: model_type is \"bert\""), HasSubstr("\"llama\"")));
  EXPECT_THAT(ErrorOf(With(kGpt2, "activation_function", "relu")), HasSubstr("gelu_new"));
  EXPECT_THAT(ErrorOf(With(kGpt2, "scale_attn_by_inverse_layer_idx", true)), HasSubstr("false"));
  EXPECT_THAT(ErrorOf(With(kLlama, "attention_bias", true)), HasSubstr("attention_bias is true"));
  EXPECT_THAT(ErrorOf(With(kLlama, "head_dim", 8)), HasSubstr("head_dim is 8; expected 4"));
  EXPECT_THAT(ErrorOf(With(kLlama, "hidden_act", "gelu")), HasSubstr("silu"));
  EXPECT_THAT(ErrorOf(With(kLlama, "rope_scaling", {{"type", "linear"}, {"factor", 2}})),
              AllOf(HasSubstr("rope_scaling: type is \"linear\""), HasSubstr("default or llama3")));
}

TEST(ConfigJson, SaysWhatIsMissingOrOfAnotherSort) {
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("no JSON object"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("no JSON object"));
  EXPECT_THAT(ErrorOf("{}"), HasSubstr("model_type is missing"));
  EXPECT_THAT(ErrorOf(R"({"model_type": 5})"), HasSubstr("model_type is 5; expected a text"));
  EXPECT_THAT(ErrorOf(With(kGpt2, "n_layer", 0)), HasSubstr("n_layer is 0; expected a whole"));
  EXPECT_THAT(ErrorOf(With(kGpt2, "n_layer", 1.5)), HasSubstr("n_layer is 1.5"));
  EXPECT_THAT(ErrorOf(With(kGpt2, "n_head", nullptr)), HasSubstr("n_head is missing"));
  EXPECT_THAT(ErrorOf(With(kGpt2, "vocab_size", "many")), HasSubstr("vocab_size is \"many\""));
}

}  // namespace
}  // namespace paci
