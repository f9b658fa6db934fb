// What users get wrong: each a clear error, nothing hangs, and a job that runs meanwhile goes on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Two free workers beside one that holds a job, which each test leaves as it found it.
class BadInput : public testing::Test {
 protected:
  BadInput() { cluster_.AwaitUpdates(bystander_, 1); }
  ~BadInput() override {
    const uint64_t updates = cluster_.Get(bystander_).progress().updates();
    const v1::Job job = cluster_.AwaitUpdates(bystander_, updates + 2);
    EXPECT_EQ(job.state(), v1::JOB_STATE_RUNNING);
    EXPECT_EQ(job.generation(), 1);
    // And the other workers serve.
    EXPECT_EQ(Losses(cluster_.AwaitCompletion(cluster_.Submit(job_file_, {}))).size(), 40);
  }

  std::string FailureOf(const std::vector<std::string>& settings) {
    return cluster_.AwaitState(cluster_.Submit(job_file_, settings), v1::JOB_STATE_FAILED).reason();
  }
  std::string Write(const std::string& name, const std::string& bytes) {
    return cluster_.folder().Write(name, bytes);
  }

  LocalCluster cluster_{{.workers = 3}};
  const std::string job_file_ = WriteRealJob(cluster_.folder());
  const std::string bystander_ =
      cluster_.Submit(WriteEmulatedJob(cluster_.folder()), {"pipeline.stages=1"});
};

TEST_F(BadInput, ADataFileThatCannotServeFailsItsJobNamingTheFileAndWhatIsWrong) {
  const std::string missing = cluster_.folder().path() + "/missing.txt";
  EXPECT_THAT(
      FailureOf({"data.train=" + missing}),
      AllOf(HasSubstr(" on worker "), HasSubstr(missing), HasSubstr("No such file or directory")));
  const std::string empty = Write("empty.txt", "");
  EXPECT_THAT(FailureOf({"data.train=" + empty}), HasSubstr(empty + " is empty"));
  EXPECT_THAT(FailureOf({"data.validation=" + empty}), HasSubstr(empty + " is empty"));
  const std::string brief = Write("brief.txt", SomeText(32));
  EXPECT_THAT(FailureOf({"data.train=" + brief}),
              HasSubstr(brief + " has 32 tokens, fewer than one sequence; expected at least 33"));
  const std::string folder = cluster_.folder().path();
  EXPECT_THAT(FailureOf({"data.train=" + folder}), HasSubstr(folder));
}

TEST_F(BadInput, AFileOfTokensThatCannotServeFailsItsJobNamingTheFileAndWhatIsWrong) {
  const std::string odd = Write("odd.bin", std::string(2001, '\0'));
  EXPECT_THAT(FailureOf({"data.tokenizer=uint16", "data.validation=", "train.eval_every=0",
                         "data.train=" + odd}),
              HasSubstr(odd + " has 2001 bytes; expected a multiple of 2"));
  std::string tokens(4000, '\0');
  tokens[2 * 1234 + 1] = 2;  // the token 512
  const std::string beyond = Write("beyond.bin", tokens);
  EXPECT_THAT(FailureOf({"data.tokenizer=uint16", "data.validation=", "train.eval_every=0",
                         "train.updates=1000", "data.train=" + beyond}),
              AllOf(HasSubstr(beyond), HasSubstr("512"), HasSubstr("256")));
}

TEST_F(BadInput, AJobThatNoWorkerCanTakeWaitsAndSaysForWhat) {
  const std::string wide = cluster_.Submit(job_file_, {"pipeline.stages=4"});
  EXPECT_EQ(cluster_.Get(wide).state(), v1::JOB_STATE_PENDING);
  EXPECT_EQ(cluster_.Get(wide).reason(), "needs 4 workers, 2 are free and 3 connected");
  const std::string cuda = cluster_.Submit(job_file_, {"train.device=cuda"});
  EXPECT_EQ(cluster_.Get(cuda).reason(), "needs 2 cuda workers, 0 are free and 0 connected");
}

TEST_F(BadInput, EveryErrorOfAJobFileIsNamedWithItsPlaceAndNoJobIsMade) {
  const std::string path = Write("bad.yaml", R"(name: bad
model: {layers: 2, hidden: 33, heads: 2, context: 32, wide: 3}
data: {train: x.txt}
pipeline: {stages: 5}
train: {updates: many}
)");
  for (const char* verb : {"validate", "submit"}) {
    const CommandResult result = cluster_.Pacictl({verb, path});
    EXPECT_EQ(result.code, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("bad.yaml:2:28: model.hidden: 33 "));
    EXPECT_THAT(result.err, HasSubstr("bad.yaml:2:55: model.wide: unknown key"));
    EXPECT_THAT(result.err, HasSubstr("bad.yaml:4:20: pipeline.stages: 5 "));
    EXPECT_THAT(result.err, HasSubstr("bad.yaml:5:18: train.updates: \"many\""));
  }
  EXPECT_EQ(cluster_.PacictlJson({"list"})["jobs"].size(), 1);
}

TEST_F(BadInput, ACheckpointFolderThatCannotBeMadeFailsItsJobNamingIt) {
  const std::string file = Write("file", "not a folder");
  const v1::Job job = cluster_.AwaitState(
      cluster_.Submit(job_file_, {absl::StrCat("checkpoint.dir=", file, "/checkpoints")}),
      v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.reason(), AllOf(HasSubstr("on worker "), HasSubstr(file + "/checkpoints"),
                                  HasSubstr("Not a directory")));
  EXPECT_EQ(job.progress().updates(), 0) << "it is noticed before anything is trained";
}

TEST_F(BadInput, ARunThatDivergesSaysThatItSkippedUpdates) {
  const std::vector<std::string> settings = {"optimizer.lr=1e30", "optimizer.clip_norm=0",
                                             "optimizer.warmup_updates=0",
                                             "recovery.max_skipped_updates=0"};
  const v1::Job job =
      cluster_.AwaitState(cluster_.Submit(job_file_, settings), v1::JOB_STATE_COMPLETED);
  EXPECT_THAT(job.reason(), HasSubstr(" skipped "));
}

TEST_F(BadInput, AFullDiskFailsTheJobAndLeavesNoCheckpointThatLooksComplete) {
  const std::string disk = cluster_.folder().path() + "/disk";
  std::filesystem::create_directory(disk);
  if (mount("paci", disk.c_str(), "tmpfs", 0, "size=128k") != 0) {
    GTEST_SKIP() << "a small disk takes the right to mount one";
  }
  EXPECT_THAT(FailureOf({"checkpoint.dir=" + disk}), AllOf(HasSubstr("on worker "), HasSubstr(disk),
                                                           HasSubstr("No space left on device")));
  size_t manifests = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(disk)) {
    manifests += entry.path().filename() == "manifest.json";
  }
  EXPECT_EQ(manifests, 0);
  // Lazily: a worker may be about to close its last file.
  EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
}

// Paths are as each worker sees them: one of the two finds another file there.
TEST(OtherData, WorkersThatSeeOtherDataEndTheJobBeforeItLearnsNonsense) {
  const TestFolder here;
  const TestFolder there;
  here.Write("train.txt", SomeText(20000));
  there.Write("train.txt", SomeText(30000));
  LocalCluster cluster({.workers = 2, .place = [&](const std::string& name) {
                          Place place;
                          const TestFolder& folder = name == "w1" ? there : here;
                          place.launcher = {"/usr/bin/env", "-C", folder.path()};
                          return place;
                        }});
  const std::string id = cluster.Submit(WriteRealJob(cluster.folder()),
                                        {"data.train=train.txt", "train.eval_every=0"});
  const v1::Job job = cluster.AwaitState(id, v1::JOB_STATE_FAILED);
  EXPECT_THAT(job.reason(),
              testing::MatchesRegex(
                  "stage 1 on worker w. failed: FAILED_PRECONDITION: it reads other tokens than "
                  "the first stage, of data.train: [23]0000 tokens in 1 file, where stage 0 on "
                  "worker w. reads [23]0000 tokens in 1 file; expected the same files on every "
                  "worker.*"));
  EXPECT_EQ(job.generation(), 1);
}

}  // namespace
}  // namespace paci
