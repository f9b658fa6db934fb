#include "common/config/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/config/job_reference.h"

namespace paci {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kLeast[] = R"(
name: least
model: {layers: 4, hidden: 64, heads: 4, context: 32}
data: {train: t.txt}
pipeline: {stages: 3}
train: {updates: 250}
)";

v1::JobSpec Parsed(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto spec = ParseJobFile(text, "job.yaml", overrides);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : v1::JobSpec();
}

std::string Error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const auto spec = ParseJobFile(text, "job.yaml", overrides);
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(spec.status().message());
}

TEST(JobFile, FillsInEveryDefault) {
  const v1::JobSpec spec = Parsed(kLeast);
  EXPECT_EQ(spec.model().vocabulary(), 256u);
  EXPECT_EQ(spec.model().dropout(), 0);
  EXPECT_EQ(spec.data().validation(), "");
  EXPECT_EQ(spec.data().tokenizer(), v1::TOKENIZER_BYTES);
  EXPECT_EQ(spec.pipeline().schedule(), "paci");
  EXPECT_EQ(spec.pipeline().accumulation(), 2u);
  EXPECT_EQ(spec.pipeline().micro_batch(), 4u);
  EXPECT_EQ(spec.pipeline().order(), v1::ORDER_DRAIN_FIRST);
  EXPECT_EQ(spec.pipeline().partition_by(), v1::PARTITION_BY_MEASURED);
  EXPECT_EQ(spec.pipeline().partition_size(), 0);
  EXPECT_TRUE(spec.pipeline().frame_checksums());
  EXPECT_EQ(spec.optimizer().name(), "adamw");
  EXPECT_EQ(spec.optimizer().lr(), 3e-4);
  EXPECT_EQ(spec.optimizer().beta1(), 0.9);
  EXPECT_EQ(spec.optimizer().beta2(), 0.95);
  EXPECT_EQ(spec.optimizer().eps(), 1e-8);
  EXPECT_EQ(spec.optimizer().weight_decay(), 0.1);
  EXPECT_EQ(spec.optimizer().warmup_updates(), 3u);
  EXPECT_EQ(spec.optimizer().lr_floor(), 0.1);
  EXPECT_EQ(spec.optimizer().clip_norm(), 1.0);
  EXPECT_EQ(spec.train().seed(), 1u);
  EXPECT_EQ(spec.train().eval_every(), 0u);
  EXPECT_EQ(spec.train().threads(), 0u);
  EXPECT_EQ(spec.train().device(), "cpu");
  EXPECT_EQ(spec.checkpoint().dir(), "");
  EXPECT_EQ(spec.checkpoint().keep(), 2u);
  EXPECT_FALSE(spec.has_emulation());
}

TEST(JobFile, DerivesDefaultsFromOtherKeys) {
  EXPECT_EQ(Parsed(kLeast, {"pipeline.stages=1"}).pipeline().accumulation(), 1u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.stages=2"}).pipeline().accumulation(), 1u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.stages=6"}).pipeline().accumulation(), 5u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.order=strict"}).pipeline().partition_by(),
            v1::PARTITION_BY_FLOPS);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.order=strict", "pipeline.partition_by=measured"})
                .pipeline()
                .partition_by(),
            v1::PARTITION_BY_MEASURED);
  EXPECT_EQ(Parsed(kLeast, {"data.tokenizer=uint16"}).model().vocabulary(), 50257u);
  EXPECT_EQ(Parsed(kLeast, {"data.validation=v"}).train().eval_every(), 25u);
  EXPECT_EQ(Parsed(kLeast, {"data.validation=v", "train.updates=3"}).train().eval_every(), 1u);
  EXPECT_EQ(Parsed(kLeast, {"train.updates=1"}).optimizer().warmup_updates(), 1u);
}

TEST(JobFile, AutoIsTheDefaultThatIsMadeOfOtherKeys) {
  const std::string text = std::string(kLeast) + "optimizer: {warmup_updates: auto}\n";
  EXPECT_EQ(Parsed(text).optimizer().warmup_updates(), 3u);
  EXPECT_EQ(Parsed(text, {"optimizer.warmup_updates=9"}).optimizer().warmup_updates(), 9u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.accumulation=auto"}).pipeline().accumulation(), 2u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.accumulation=9", "pipeline.accumulation=auto"})
                .pipeline()
                .accumulation(),
            2u);
  EXPECT_EQ(Parsed(kLeast, {"pipeline.accumulation=auto", "pipeline.extra_in_flight=3"})
                .pipeline()
                .accumulation(),
            5u);
  EXPECT_THAT(Error(kLeast, {"pipeline.micro_batch=auto"}),
              HasSubstr("\"auto\" is not a whole number"));
}

TEST(JobFile, AnOverrideReplacesTheFileAndTheLastOneCounts) {
  const v1::JobSpec spec =
      Parsed(ExampleJobFile(), {"optimizer.lr=1", "optimizer.lr=1e-3", "pipeline.partition=1,2,2,1",
                                "data.train=/a=b", "train.eval_every=7"});
  EXPECT_EQ(spec.optimizer().lr(), 1e-3);
  EXPECT_THAT(spec.pipeline().partition(), ElementsAre(1, 2, 2, 1));
  EXPECT_THAT(spec.data().train(), ElementsAre("/a=b"));
  EXPECT_EQ(spec.train().eval_every(), 7u);
}

TEST(JobFile, TrainsOnOnePathOrAList) {
  const auto paths = [](const std::string& text, const std::vector<std::string>& overrides) {
    const v1::JobSpec spec = Parsed(text, overrides);
    return std::vector<std::string>(spec.data().train().begin(), spec.data().train().end());
  };
  const std::string rest =
      "name: a\nmodel: {layers: 1, hidden: 8, heads: 1, context: 8}\n"
      "pipeline: {stages: 1}\ntrain: {updates: 1}\n";
  EXPECT_THAT(paths(rest + "data: {train: /a}\n", {}), ElementsAre("/a"));
  EXPECT_THAT(paths(rest + "data: {train: [/a, '/b, c']}\n", {}), ElementsAre("/a", "/b, c"));
  // Brackets of a pattern are no list, unless --set has nothing else.
  EXPECT_THAT(paths(rest + "data: {train: '[ab]'}\n", {}), ElementsAre("[ab]"));
  EXPECT_THAT(paths(rest + "data: {train: /a}\n", {"data.train=[ab]*.bin"}),
              ElementsAre("[ab]*.bin"));
  EXPECT_THAT(paths(rest + "data: {train: /a}\n", {"data.train=[/a, /b]"}),
              ElementsAre("/a", "/b"));
  EXPECT_THAT(Error(rest + "data: {train: [/a, [/b]]}\n"),
              HasSubstr("data.train: has an entry that is no path; expected a path of at most"));
  EXPECT_THAT(Error(rest + "data: {train: [/a, '']}\n"), HasSubstr("has an entry that is empty"));
  EXPECT_THAT(Error(rest + "data: {train: []}\n"), HasSubstr("data.train: is empty; expected"));
  EXPECT_THAT(Error(rest + "data: {train: [/a, /b], weights: [1, 2, 3]}\n"),
              HasSubstr("data.weights: [1, 2, 3] has 3 entries; expected one for each of the 2 "
                        "paths of data.train"));
}

TEST(JobFile, AnOverrideMendsAWrongValue) {
  const std::string text = std::string(kLeast) + "optimizer: {lr: abc}\n";
  EXPECT_THAT(Error(text), HasSubstr("\"abc\" is not a number"));
  EXPECT_EQ(Parsed(text, {"optimizer.lr=0.5"}).optimizer().lr(), 0.5);
}

TEST(JobFile, AnOverrideCanEmptyAText) {
  const v1::JobSpec spec = Parsed(ExampleJobFile(), {"checkpoint.dir=", "data.validation="});
  EXPECT_EQ(spec.checkpoint().dir(), "");
  EXPECT_EQ(spec.data().validation(), "");
  EXPECT_EQ(spec.train().eval_every(), 0u);
}

TEST(JobFile, EmulationIsThereOnceOneOfItsKeysIs) {
  EXPECT_FALSE(Parsed(std::string(kLeast) + "emulation:\n").has_emulation());
  const v1::JobSpec spec = Parsed(kLeast, {"emulation.forward_seconds=10ms",
                                           "emulation.backward_seconds=250us", "data.train="});
  EXPECT_EQ(spec.emulation().forward_seconds(), 0.01);
  EXPECT_EQ(spec.emulation().backward_seconds(), 0.00025);
  EXPECT_EQ(spec.emulation().update_seconds(), 0);
  EXPECT_TRUE(spec.has_data());
}

TEST(JobFile, NullIsAnEmptyPathAndNoOtherValue) {
  EXPECT_EQ(Parsed(std::string(kLeast) + "checkpoint:\n  dir:\n").checkpoint().dir(), "");
  EXPECT_EQ(Error(std::string(kLeast) + "checkpoint:\n  keep:\n"),
            "job.yaml:8:3: checkpoint.keep: has no value; expected a whole number in 1..1000000");
}

TEST(JobFile, AnEmptyTrainingFileIsNone) {
  EXPECT_EQ(Error(kLeast, {"data.train="}),
            "--set data.train=: data.train: is empty; expected the path of a file to train on");
}

TEST(JobFile, AnOverrideOfASectionIsToldItsKeys) {
  EXPECT_EQ(Error(kLeast, {"model=x"}),
            "--set model=x: model is a section; expected one of its keys, such as "
            "model.layers=VALUE");
}

TEST(JobFile, AnEmptyFileLacksWhatIsRequired) {
  EXPECT_EQ(Error(""), Error("# only a comment\n"));
  EXPECT_THAT(Error(""), HasSubstr("job.yaml: name: missing; expected 1 to 40 characters"));
  EXPECT_THAT(Error(""), HasSubstr("job.yaml: train.updates: missing; expected a whole number"));
}

TEST(JobFile, ErrorsHaveALimit) {
  std::string text = kLeast;
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, "unknown", i, ": 1\n");
  const std::string error = Error(text);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 50);
  EXPECT_THAT(error, HasSubstr("\njob.yaml: and 950 more"));
}

TEST(HostileFile, IsRefusedForItsSize) {
  const std::string error = Error(std::string(kLeast) + std::string(1 << 20, '#'));
  EXPECT_EQ(error, "job.yaml: larger than 1048576 bytes; is this a job file?");
}

TEST(HostileFile, AliasesAreNotFollowed) {
  std::string laughs = "a0: &a0 [ha, ha]\n";
  for (int i = 1; i < 30; ++i) {
    absl::StrAppend(&laughs, "a", i, ": &a", i, " [*a", i - 1, ", *a", i - 1, "]\n");
  }
  EXPECT_EQ(Error(laughs),
            "job.yaml:2:10: not valid YAML: an alias (*name) is not taken; write the value out");
}

TEST(HostileFile, DeepNestingIsRefused) {
  for (const char* opening : {"[", "{a: ", "- ", "? "}) {
    std::string text;
    for (int i = 0; i < 100000; ++i) text += opening;
    EXPECT_THAT(Error(text), HasSubstr("not valid YAML: ")) << opening;
  }
}

TEST(HostileFile, TooManyValuesAreRefused) {
  std::string text;
  for (int i = 0; i < 100000; ++i) absl::StrAppend(&text, "k", i, ": 1\n");
  EXPECT_THAT(Error(text), HasSubstr("more than 10000 values"));
}

TEST(HostileFile, WhatAParserIsKnownToStumbleOnIsAnError) {
  for (const char* text : {",",
                           ")",
                           "]",
                           "}",
                           "{:",
                           "[:",
                           "{# ke\ny{:",
                           "[[:",
                           "!",
                           "*",
                           "&a",
                           "%",
                           "%YAML 9.9\n---\n",
                           "--- a\n--- b\n",
                           "a: b: c",
                           "\t",
                           "\"",
                           "'",
                           "|",
                           ">",
                           "@",
                           "`",
                           "- a\nb: c",
                           "? ",
                           ": ",
                           "a: !!python/object:x {}",
                           "\xef\xbb\xbf",
                           "a: \x04 b",
                           "\xfe\xff",
                           "- !+(.,.)"}) {
    EXPECT_FALSE(ParseJobFile(text, "job.yaml", {}).ok()) << text;
  }
}

class LoadJobFileTest : public ::testing::Test {
 protected:
  LoadJobFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "paci-config-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~LoadJobFileTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(LoadJobFileTest, ReadsAFile) {
  const std::string path = folder_ + "/job.yaml";
  std::ofstream(path) << ExampleJobFile();
  const auto spec = LoadJobFile(path, {"name=other"});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "other");
}

TEST_F(LoadJobFileTest, NamesAFileThatCannotBeRead) {
  const auto missing = LoadJobFile(folder_ + "/none.yaml", {});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr(folder_ + "/none.yaml"));
  EXPECT_FALSE(LoadJobFile(folder_, {}).ok());
}

TEST_F(LoadJobFileTest, ReadsNoMoreThanAJobFileMayHave) {
  const auto spec = LoadJobFile("/dev/zero", {});
  EXPECT_THAT(std::string(spec.status().message()), HasSubstr("larger than 1048576 bytes"));
}

}  // namespace
}  // namespace paci
