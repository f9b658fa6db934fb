// `pacictl verify-checkpoint` as a script sees it, on checkpoints of this machine.

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/test_folder.h"
#include "tests/unit/checkpoint/test_checkpoint.h"
#include "yaml-cpp/yaml.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Json = nlohmann::json;

class VerifyCheckpoint : public testing::Test {
 protected:
  VerifyCheckpoint() : checkpoint_(folder_.path()), directory_(checkpoint_.Directory(40)) {
    EXPECT_TRUE(checkpoint_.WriteAndCommit(40).ok());
  }
  CommandResult Verify(const std::string& format = "table") const {
    return RunBinary({"verify-checkpoint", directory_, "-o", format});
  }

  const TestFolder folder_;
  const TestCheckpoint checkpoint_;
  const std::string directory_;
};

TEST_F(VerifyCheckpoint, AWholeOneIsDescribedInEveryFormat) {
  const CommandResult table = Verify();
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("is complete: update 40 of job small-1, generation 1, 8 files"));
  const CommandResult json = Verify("json");
  EXPECT_EQ(json.code, 0) << json.err;
  const Json document = Json::parse(json.out);
  EXPECT_EQ(document["directory"], directory_);
  EXPECT_EQ(document["job_id"], "small-1");
  EXPECT_EQ(document["update"], 40);
  EXPECT_EQ(document["generation"], 1);
  EXPECT_EQ(document["files"], 8);
  EXPECT_GT(document["size_bytes"], 4 * 400);
  EXPECT_THAT(document["bad_files"], SizeIs(0));
  EXPECT_EQ(YAML::Load(Verify("yaml").out)["update"].as<int>(), 40);
}

TEST_F(VerifyCheckpoint, ADamagedOneNamesWhatIsBadInEveryFormatAndFails) {
  folder_.Write(absl::StrCat("small-1/update-00000040.g1/unit-00001.weights.safetensors"), "x");
  std::filesystem::remove(directory_ + "/unit-00003.optimizer.safetensors");
  const CommandResult table = Verify();
  EXPECT_EQ(table.code, 1);
  EXPECT_EQ(table.out, "");
  EXPECT_THAT(table.err, HasSubstr("2 of 8 files of this checkpoint are bad\n"));
  EXPECT_THAT(table.err, HasSubstr("block 0: "));
  const CommandResult json = Verify("json");
  EXPECT_EQ(json.code, 1);
  EXPECT_EQ(json.err, table.err);
  const Json bad = Json::parse(json.out)["bad_files"];
  ASSERT_THAT(bad, SizeIs(2));
  EXPECT_EQ(bad[0]["unit"], 1);
  EXPECT_THAT(bad[0]["error"], HasSubstr("unit-00001.weights.safetensors is damaged"));
  EXPECT_EQ(bad[1]["unit"], 3);
}

TEST_F(VerifyCheckpoint, AFolderThatIsNotThereIsAUsageErrorAndOneThatIsNotCompleteIsNot) {
  const CommandResult nowhere = RunBinary({"verify-checkpoint", folder_.path() + "/nowhere"});
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_EQ(nowhere.err, absl::StrCat("pacictl: ", folder_.path(),
                                      "/nowhere is no folder on this machine; expected that of a "
                                      "checkpoint\n"));
  EXPECT_EQ(RunBinary({"verify-checkpoint", directory_ + "/manifest.json"}).code, 2);
  std::filesystem::remove(directory_ + "/manifest.json");
  const CommandResult incomplete = Verify("json");
  EXPECT_EQ(incomplete.code, 1);
  EXPECT_EQ(incomplete.out, "");
  EXPECT_THAT(incomplete.err, HasSubstr("there is no complete checkpoint in "));
}

TEST_F(VerifyCheckpoint, ABrokenManifestIsNamedWithTheLineThatIsWrong) {
  folder_.Write("small-1/update-00000040.g1/manifest.json", "{\n  \"job_id\" 3}");
  const CommandResult result = Verify();
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, absl::StrCat("pacictl: ", directory_,
                                     "/manifest.json is no valid manifest: it is not JSON at line "
                                     "2, column 12; expected the file as it was written\n"));
}

}  // namespace
}  // namespace paci::cli
