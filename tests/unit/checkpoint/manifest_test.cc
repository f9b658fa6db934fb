#include "common/checkpoint/manifest.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

using ::testing::HasSubstr;

Manifest Example() {
  Manifest manifest;
  manifest.job_id = "small-1";
  manifest.generation = 3;
  manifest.update = uint64_t{1} << 60;  // more than a double holds
  manifest.micro_batches = 800;
  manifest.tokens = 3200;
  manifest.spec.set_name("small");
  manifest.spec.mutable_model()->set_layers(1);
  manifest.spec.mutable_optimizer()->set_lr(0.1 + 0.2);
  manifest.spec.mutable_train()->set_seed(~uint64_t{0});
  manifest.spec.mutable_pipeline()->set_order(v1::ORDER_STRICT);
  for (const char* name : {"unit-00000.weights.safetensors", "unit-00001.weights.safetensors",
                           "unit-00001.optimizer.safetensors", "unit-00002.weights.safetensors"}) {
    manifest.files.emplace_back();
    manifest.files.back().set_path(name);
    manifest.files.back().set_size_bytes(17);
    manifest.files.back().set_checksum("xxh3:0123456789abcdef");
  }
  return manifest;
}

std::string ErrorAfter(const std::function<void(nlohmann::json&)>& change) {
  nlohmann::json json = nlohmann::json::parse(*FormatManifest(Example()));
  change(json);
  const auto manifest = ParseManifest(json.dump(), "M");
  EXPECT_EQ(manifest.status().code(), absl::StatusCode::kDataLoss);
  return std::string(manifest.status().message());
}

TEST(Manifest, ComesBackAsItWasWritten) {
  const Manifest written = Example();
  const auto read = ParseManifest(*FormatManifest(written), "M");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->job_id, written.job_id);
  EXPECT_EQ(read->generation, written.generation);
  EXPECT_EQ(read->update, written.update);
  EXPECT_EQ(read->micro_batches, written.micro_batches);
  EXPECT_EQ(read->tokens, written.tokens);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(read->spec, written.spec));
  EXPECT_EQ(read->spec.optimizer().lr(), 0.1 + 0.2);
  ASSERT_EQ(read->files.size(), 4U);
  EXPECT_EQ(read->files[2].path(), "unit-00001.optimizer.safetensors");
  EXPECT_EQ(read->files[2].size_bytes(), 17U);
  EXPECT_EQ(read->files[2].checksum(), "xxh3:0123456789abcdef");
}

TEST(Manifest, NoFileLeadsOutOfItsFolder) {
  for (const char* path :
       {"../unit-00000.weights.safetensors", "/etc/passwd", "", ".", "..",
        "x/unit-00000.weights.safetensors", "unit-0.weights.safetensors",
        "unit-+0000.weights.safetensors", "unit-00000.weights.safetensors/..",
        "unit-00000.weights.safetensors\n", "unit-00003.weights.safetensors",
        "unit-00000.safetensors", "manifest.json", "unit-99999999999.weights.safetensors"}) {
    EXPECT_THAT(ErrorAfter([&](auto& json) { json["files"][2]["path"] = path; }),
                HasSubstr(absl::StrCat("it names the file \"", path,
                                       "\"; expected unit-00000.weights.safetensors to "
                                       "unit-00002.optimizer.safetensors, in its own folder")));
  }
}

TEST(Manifest, EveryUnitHasItsWeightsOnce) {
  EXPECT_EQ(ErrorAfter([](auto& json) { json["files"].erase(1); }),
            "M is no valid manifest: unit 1 of 0..2 has no weights");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["files"].push_back(json["files"][0]); }),
            "M is no valid manifest: it names unit-00000.weights.safetensors twice");
}

TEST(Manifest, DamageIsNamed) {
  EXPECT_EQ(ErrorAfter([](auto& json) { json["format_version"] = 2; }),
            "M is no valid manifest: its format_version is 2; expected 1");
  EXPECT_EQ(ErrorAfter([](auto& json) { json.erase("job_id"); }),
            "M is no valid manifest: its job_id is missing; expected a string");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["update"] = -1; }),
            "M is no valid manifest: its update is -1; expected a whole number >= 0");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["files"] = "x"; }),
            "M is no valid manifest: its files is \"x\"; expected a list");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["files"][0] = 1; }),
            "M is no valid manifest: in its files, entry 0: path is missing; expected a string");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["files"][1]["size_bytes"] = "17"; }),
            "M is no valid manifest: in its files, entry 1: size_bytes is \"17\"; expected a whole "
            "number >= 0");
  EXPECT_THAT(ErrorAfter([](auto& json) { json["files"][0]["checksum"] = "xxh3:0123"; }),
              HasSubstr("expected xxh3: and 16 hex digits"));
  EXPECT_EQ(ErrorAfter([](auto& json) { json = 1; }),
            "M is no valid manifest: it is not a JSON object");
  EXPECT_EQ(ErrorAfter([](auto& json) { json["spec"]["model"]["layers"] = 4294967295U; }),
            "M is no valid manifest: unit 3 of 0..4294967296 has no weights");
}

TEST(Manifest, ASpecOfAnotherVersionIsNamedByItsFirstKeyThatIsNotKnown) {
  const auto error_with = [](const std::function<void(nlohmann::json&)>& change) {
    return ErrorAfter([&](auto& json) { change(json["spec"]); });
  };
  const std::string end =
      ", which no job spec of this version has; expected what was written, or a newer version of "
      "this program";
  EXPECT_EQ(error_with([](auto& spec) { spec["model"]["depth"] = 1; }),
            "M is no valid manifest: its spec.model.depth is 1" + end);
  EXPECT_EQ(error_with([](auto& spec) { spec["pipeline"]["order"] = "ORDER_SIDEWAYS"; }),
            "M is no valid manifest: its spec.pipeline.order is \"ORDER_SIDEWAYS\"" + end);
  EXPECT_EQ(error_with([](auto& spec) {
              spec["train"] = {1, 2};
            }),
            "M is no valid manifest: its spec.train is [1,2]" + end);
  EXPECT_EQ(error_with([](auto& spec) {
              spec["name"] = {{"a", 1}};
            }),
            "M is no valid manifest: its spec.name is {\"a\":1}" + end);
  EXPECT_EQ(error_with([](auto& spec) { spec["name"] = std::vector<int>(50, 7); }),
            "M is no valid manifest: its spec.name is [7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,"
            "7,7,7,7,7,7,7,7..." +
                end);
}

TEST(Manifest, WhatIsNoJsonIsNamedByItsPlace) {
  const auto error_of = [](absl::string_view text) {
    const absl::Status status = ParseManifest(text, "M").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    return std::string(status.message());
  };
  const std::string end = "; expected the file as it was written";
  EXPECT_EQ(error_of("{\n  \"job_id\": x\n}"),
            "M is no valid manifest: it is not JSON at line 2, column 13" + end);
  EXPECT_EQ(error_of("?"), "M is no valid manifest: it is not JSON at line 1, column 1" + end);
  EXPECT_EQ(error_of(""),
            "M is no valid manifest: it ends after 0 bytes, before its JSON does" + end);
  EXPECT_EQ(error_of("{\"job_id\":"),
            "M is no valid manifest: it ends after 10 bytes, before its JSON does" + end);
  EXPECT_EQ(error_of(std::string(1 << 20, '[')),
            "M is no valid manifest: its JSON is nested too deeply" + end);
  const std::string text = *FormatManifest(Example());
  EXPECT_THAT(error_of(text.substr(0, text.size() / 2)), HasSubstr("before its JSON does"));
}

TEST(Manifest, NoShorterTextIsAccepted) {
  const std::string text = *FormatManifest(Example());
  for (size_t size = 0; size + 2 < text.size(); ++size) {
    EXPECT_FALSE(ParseManifest(text.substr(0, size), "M").ok()) << size;
  }
}

}  // namespace
}  // namespace paci
