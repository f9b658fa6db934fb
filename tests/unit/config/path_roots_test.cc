#include "common/config/path_roots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/test_folder.h"

namespace paci {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class PathRootsTest : public testing::Test {
 protected:
  PathRootsTest() {
    fs::create_directories(folder_.path() + "/in/deep");
    fs::create_directories(folder_.path() + "/inner");
    fs::create_directories(folder_.path() + "/out");
    folder_.Write("out/secret", "x");
    fs::create_symlink(folder_.path() + "/out", folder_.path() + "/in/link");
  }
  std::string At(const std::string& path) const { return folder_.path() + "/" + path; }
  bool IsIn(const std::string& path) const {
    return CheckConfined("data.train", path, {At("in")}).ok();
  }

  const TestFolder folder_;
};

TEST_F(PathRootsTest, WhatIsBelowIsIn) {
  for (const std::string path :
       {"in", "in/", "in/deep", "in/new/file", "in/deep/../deep/x", "out/../in/deep"}) {
    EXPECT_TRUE(IsIn(At(path))) << path;
  }
  EXPECT_TRUE(IsIn(""));
  EXPECT_TRUE(CheckConfined("data.train", "/etc/passwd", {}).ok());
}

TEST_F(PathRootsTest, WhatIsElsewhereIsOutHoweverItIsCalled) {
  for (const std::string path : {"out/secret", "inner", "in/../out/secret", "in/link/secret",
                                 "in/link/new", "in/deep/../../out", ""}) {
    EXPECT_FALSE(IsIn(At(path))) << path;
  }
  EXPECT_FALSE(IsIn("/etc/passwd"));
  EXPECT_FALSE(IsIn("in/deep"));  // relative to the worker's own folder
}

TEST_F(PathRootsTest, BelowARootThatIsGoneThereIsNothing) {
  EXPECT_FALSE(CheckConfined("data.train", "/etc/passwd", {At("none")}).ok());
  EXPECT_FALSE(CheckConfined("data.train", At("in/deep"), {At("none")}).ok());
}

TEST_F(PathRootsTest, SaysWhereAPathLeads) {
  const absl::Status status = CheckConfined("data.train", At("in/link/secret"), {At("in")});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(status.message(), HasSubstr("data.train: " + At("in/link/secret") + " leads to "));
  EXPECT_THAT(status.message(), HasSubstr("/out/secret; this worker reads and writes below "));
}

TEST_F(PathRootsTest, AllPathsOfAJobAreLookedAt) {
  v1::PrepareStage inside;
  inside.mutable_spec()->mutable_data()->add_train(At("in/a"));
  inside.mutable_spec()->mutable_data()->set_validation(At("in/b"));
  inside.mutable_spec()->mutable_checkpoint()->set_dir(At("in/c"));
  inside.mutable_resume_from()->set_directory(At("in/d"));
  EXPECT_TRUE(CheckConfined(inside, {At("in")}).ok());
  for (int which = 0; which < 4; ++which) {
    v1::PrepareStage command = inside;
    if (which == 0) command.mutable_spec()->mutable_data()->add_train(At("out/a"));
    if (which == 1) command.mutable_spec()->mutable_data()->set_validation(At("out/a"));
    if (which == 2) command.mutable_spec()->mutable_checkpoint()->set_dir(At("out"));
    if (which == 3) command.mutable_resume_from()->set_directory(At("out"));
    EXPECT_FALSE(CheckConfined(command, {At("in")}).ok()) << which;
    EXPECT_TRUE(CheckConfined(command, {At("in"), At("out")}).ok()) << which;
  }
}

TEST_F(PathRootsTest, RootsAreFolders) {
  EXPECT_TRUE(CheckRoots({At("in"), At("out")}).ok());
  EXPECT_THAT(CheckRoots({At("in"), At("out/secret")}).message(), HasSubstr("is no folder"));
  EXPECT_THAT(CheckRoots({At("none")}).message(), HasSubstr("none is no folder"));
}

}  // namespace
}  // namespace paci
