#include "cli/format/document.h"

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "paci/v1/job.pb.h"
#include "tests/unit/cli/testdata.h"
#include "yaml-cpp/yaml.h"

namespace paci::cli {
namespace {

using Json = nlohmann::json;

// What a YAML reader makes of the document, as JSON: quoted scalars are strings, plain ones what
// they look like.
Json FromYaml(const YAML::Node& node) {
  if (node.IsNull()) return nullptr;
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& entry : node) object[entry.first.Scalar()] = FromYaml(entry.second);
    return object;
  }
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& entry : node) array.push_back(FromYaml(entry));
    return array;
  }
  if (node.Tag() == "!") return node.Scalar();
  const Json value = Json::parse(node.Scalar(), nullptr, false);
  return value.is_discarded() ? Json(node.Scalar()) : value;
}

TEST(Document, YamlIsTheSameDocumentAsJson) {
  for (const char* name : {"job_pending", "job_running", "job_failed", "job_completed"}) {
    const auto job = Read<v1::Job>(name);
    EXPECT_EQ(FromYaml(YAML::Load(ToYaml(job).value())), Json::parse(ToJson(job).value())) << name;
  }
  const auto workers = Read<v1::ListWorkersResponse>("workers");
  EXPECT_EQ(FromYaml(YAML::Load(ToYaml(workers).value())), Json::parse(ToJson(workers).value()));
}

TEST(Document, YamlQuotesWhatWouldReadAsSomethingElse) {
  for (const std::string text :
       {"true", "no",         "Null",     "~",    "",           "12", "1e5", "0x1f",
        "a: b", "- a",        "#",        "a #b", "line\nline", "\"", "'",   "[",
        "*a",   "2026-01-01", "\xc3\xbc", ".inf", "=",          "a:"}) {
    const std::string json = Json({{"key", text}}).dump();
    EXPECT_EQ(FromYaml(YAML::Load(JsonToYaml(json))), Json::parse(json)) << JsonToYaml(json);
    EXPECT_EQ(YAML::Load(JsonToYaml(json))["key"].as<std::string>(), text);
  }
}

TEST(Document, NestedAndEmptyCollectionsSurvive) {
  const std::string json =
      R"({"a":[],"b":{},"c":[[1,2],[]],"d":[{"e":{"f":[{"g":1}]}},{}],"h":null})";
  EXPECT_EQ(FromYaml(YAML::Load(JsonToYaml(json))), Json::parse(json)) << JsonToYaml(json);
}

TEST(Document, ZeroFieldsArePresentUnderTheContractsNames) {
  const Json job = Json::parse(ToJson(v1::Job()).value());
  EXPECT_EQ(job["state"], "JOB_STATE_UNSPECIFIED");
  EXPECT_EQ(job["generation"], "0");
  EXPECT_EQ(job["stages"], Json::array());
  v1::Job with_progress;
  with_progress.mutable_progress();
  const Json progress = Json::parse(ToJson(with_progress).value())["progress"];
  EXPECT_EQ(progress["tokens_per_second"], 0);
  EXPECT_FALSE(progress.contains("first_validation_loss")) << "absent is not zero";
}

TEST(Document, ALineHasNoNewlineWithin) {
  const std::string line = ToJsonLine(Read<v1::Job>("job_failed")).value();
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(Document, WhatJsonCannotSayIsAnError) {
  v1::Job job;
  job.mutable_created()->set_seconds(INT64_MAX);
  EXPECT_EQ(ToJson(job).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ToYaml(job).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace paci::cli
