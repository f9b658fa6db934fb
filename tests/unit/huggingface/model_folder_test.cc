// Folders of models, there and back. tests/models compares the models with those of transformers.
#include "common/huggingface/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/checkpoint/checkpoint.h"
#include "common/huggingface/config_json.h"
#include "common/huggingface/unit_weights.h"
#include "nlohmann/json.hpp"
#include "tests/support/test_folder.h"

namespace paci {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

v1::ModelSpec SmallModel(v1::ModelFamily family) {
  v1::ModelSpec model;
  model.set_family(family);
  model.set_layers(2);
  model.set_hidden(8);
  model.set_heads(4);
  model.set_kv_heads(family == v1::MODEL_FAMILY_LLAMA ? 2 : 4);
  model.set_ffn_hidden(12);
  model.set_context(6);
  model.set_vocabulary(10);
  model.set_norm_epsilon(1e-5);
  model.set_rope_theta(10000);
  return model;
}

struct Stored {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Stored>;

// Every value of all weights is another one.
Tensors AllWeights(const v1::ModelSpec& model) {
  Tensors tensors;
  float next = 0;
  for (uint32_t unit = 0; unit <= model.layers() + 1; ++unit) {
    for (const WeightName& weight : WeightsOfUnit(model, unit)) {
      Stored& stored = tensors[weight.name];
      stored.shape = weight.is_transposed
                         ? std::vector<int64_t>{weight.shape.rbegin(), weight.shape.rend()}
                         : weight.shape;
      const auto size = TensorBytes(Dtype::kF32, stored.shape).value() / sizeof(float);
      for (uint64_t i = 0; i < size; ++i) stored.values.push_back(next++);
    }
  }
  return tensors;
}

class ModelFolder : public ::testing::Test {
 protected:
  void WriteTensors(const std::string& name, const Tensors& tensors) {
    std::vector<TensorView> views;
    for (const auto& [tensor, stored] : tensors) {
      views.push_back({tensor, Dtype::kF32, stored.shape,
                       absl::MakeConstSpan(reinterpret_cast<const std::byte*>(stored.values.data()),
                                           stored.values.size() * sizeof(float))});
    }
    const auto written = WriteSafetensors(source_, name, views, {});
    ASSERT_TRUE(written.ok()) << written.status();
  }
  void WriteConfig(const std::string& json) { std::ofstream(source_ + "/config.json") << json; }
  void WriteModel(const v1::ModelSpec& model) {
    WriteConfig(ConfigOf(model));
    WriteTensors("model.safetensors", AllWeights(model));
  }
  absl::StatusOr<Manifest> Import() { return ImportModel(source_, folder_.path() + "/runs", "m"); }
  std::string CheckpointPath() const { return folder_.path() + "/runs/m/update-00000000.g0"; }

  TestFolder folder_;
  const std::string source_ = folder_.path() + "/source";

  void SetUp() override { fs::create_directories(source_); }
};

std::string BytesOfFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(ModelFolder, IsTheSameAfterAnImportAndAnExport) {
  for (const v1::ModelFamily family : {v1::MODEL_FAMILY_GPT2, v1::MODEL_FAMILY_LLAMA}) {
    WriteModel(SmallModel(family));
    ASSERT_TRUE(Import().ok()) << Import().status();
    EXPECT_TRUE(VerifyCheckpoint(CheckpointPath()).ok());
    const std::string out = folder_.path() + "/out";
    const auto bytes = ExportModel(CheckpointPath(), out);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(BytesOfFile(out + "/config.json"), BytesOfFile(source_ + "/config.json"));
    const auto before = SafetensorsFile::Open(source_ + "/model.safetensors");
    const auto after = SafetensorsFile::Open(out + "/model.safetensors");
    ASSERT_TRUE(after.ok()) << after.status();
    ASSERT_EQ(after->tensors().size(), before->tensors().size());
    for (const TensorView& tensor : before->tensors()) {
      const auto found = after->Find(tensor.name);
      ASSERT_TRUE(found.ok()) << found.status();
      EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
      EXPECT_EQ(found->bytes, tensor.bytes) << tensor.name;
    }
    fs::remove_all(out);
    fs::remove_all(folder_.path() + "/runs");
  }
}

TEST_F(ModelFolder, HasMatricesOfGpt2TheOtherWayRound) {
  const v1::ModelSpec model = SmallModel(v1::MODEL_FAMILY_GPT2);
  WriteModel(model);
  ASSERT_TRUE(Import().ok());
  const auto block = OpenWeights(CheckpointPath(), 1);
  const auto stored = block->Find("transformer.h.0.mlp.c_fc.weight");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->shape, (std::vector<int64_t>{12, 8}));
  const std::vector<float> theirs =
      AllWeights(model).at("transformer.h.0.mlp.c_fc.weight").values;  // [8, 12]
  const auto* const ours = reinterpret_cast<const float*>(stored->bytes.data());
  EXPECT_EQ(ours[1], theirs[12]);
  EXPECT_EQ(ours[8], theirs[1]);
}

TEST_F(ModelFolder, KeepsATiedHeadAndFindsNamesWithoutTheirFirstPart) {
  const v1::ModelSpec model = SmallModel(v1::MODEL_FAMILY_GPT2);
  Tensors tensors;
  for (auto& [name, stored] : AllWeights(model)) {
    if (name == "lm_head.weight") continue;
    tensors[std::string(absl::StripPrefix(name, "transformer."))] = stored;
  }
  nlohmann::json config = nlohmann::json::parse(ConfigOf(model));
  config.erase("tie_word_embeddings");
  WriteConfig(config.dump());
  WriteTensors("model.safetensors", tensors);
  const auto manifest = Import();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_TRUE(manifest->spec.model().tied_head());
  const auto embedding = OpenWeights(CheckpointPath(), 0);
  const auto head = OpenWeights(CheckpointPath(), 3);
  EXPECT_EQ(head->Find("lm_head.weight")->bytes, embedding->Find("transformer.wte.weight")->bytes);
  const std::string out = folder_.path() + "/out";
  ASSERT_TRUE(ExportModel(CheckpointPath(), out).ok());
  EXPECT_FALSE(SafetensorsFile::Open(out + "/model.safetensors")->Find("lm_head.weight").ok());
  EXPECT_TRUE(nlohmann::json::parse(BytesOfFile(out + "/config.json"))["tie_word_embeddings"]);
}

TEST_F(ModelFolder, MayHaveItsTensorsInSeveralFiles) {
  const v1::ModelSpec model = SmallModel(v1::MODEL_FAMILY_LLAMA);
  WriteConfig(ConfigOf(model));
  Tensors first, second;
  nlohmann::json map;
  for (auto& [name, stored] : AllWeights(model)) {
    const bool is_first = first.size() < 9;
    (is_first ? first : second)[name] = stored;
    map[name] = is_first ? "1.safetensors" : "2.safetensors";
  }
  WriteTensors("1.safetensors", first);
  WriteTensors("2.safetensors", second);
  const std::string index = source_ + "/model.safetensors.index.json";
  std::ofstream(index) << nlohmann::json{{"weight_map", map}};
  EXPECT_TRUE(Import().ok()) << Import().status();

  fs::remove_all(folder_.path() + "/runs");
  map["lm_head.weight"] = "../secret";
  std::ofstream(index) << nlohmann::json{{"weight_map", map}};
  EXPECT_THAT(Import().status().message(), HasSubstr("lm_head.weight is no plain name"));
  std::ofstream(index) << "[]";
  EXPECT_THAT(Import().status().message(), HasSubstr("has no weight_map"));
}

TEST_F(ModelFolder, SaysWhatIsWrongAndLeavesNothing) {
  EXPECT_THAT(Import().status().message(), HasSubstr("config.json"));
  const v1::ModelSpec model = SmallModel(v1::MODEL_FAMILY_LLAMA);
  WriteConfig(ConfigOf(model));
  EXPECT_THAT(Import().status().message(), HasSubstr("neither model.safetensors nor"));
  Tensors tensors = AllWeights(model);
  tensors.at("model.layers.1.mlp.up_proj.weight").shape = {6, 16};
  WriteTensors("model.safetensors", tensors);
  EXPECT_THAT(Import().status().message(),
              AllOf(HasSubstr("up_proj.weight is [6, 16]; expected [12, 8]"), HasSubstr(source_)));
  tensors.erase("model.norm.weight");
  tensors.at("model.layers.1.mlp.up_proj.weight").shape = {12, 8};
  WriteTensors("model.safetensors", tensors);
  EXPECT_THAT(Import().status().message(), HasSubstr("has no tensor model.norm.weight"));
  EXPECT_FALSE(fs::exists(CheckpointPath()));
}

TEST_F(ModelFolder, OverwritesNothing) {
  WriteModel(SmallModel(v1::MODEL_FAMILY_LLAMA));
  ASSERT_TRUE(Import().ok());
  EXPECT_EQ(Import().status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(VerifyCheckpoint(CheckpointPath()).ok());
  EXPECT_EQ(ExportModel(CheckpointPath(), source_).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(ModelFolder, IsNotMadeOfADamagedCheckpoint) {
  WriteModel(SmallModel(v1::MODEL_FAMILY_LLAMA));
  ASSERT_TRUE(Import().ok());
  std::fstream file(CheckpointPath() + "/unit-00001.weights.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end);
  file.put('!');
  file.close();
  const std::string out = folder_.path() + "/out";
  EXPECT_EQ(ExportModel(CheckpointPath(), out).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
}  // namespace paci
