// A drift above the limit halves the micro-batches at each checkpoint until they are of one
// sequence; from there on the run is bit for bit the one that has such micro-batches by its file.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace paci {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

class DriftSplit : public testing::Test {
 protected:
  // 3 micro-batches of 4 an update.
  std::string Submit(std::vector<std::string> more, const std::string& from = "") {
    std::vector<std::string> args = {"submit", WriteRealJob(cluster_.folder())};
    if (!from.empty()) args.insert(args.end(), {"--resume-from", from});
    for (const std::string& setting :
         {absl::StrCat("checkpoint.dir=", cluster_.folder().path(), "/checkpoints"),
          std::string("checkpoint.every=5"), std::string("checkpoint.keep=9"),
          std::string("pipeline.order=strict"), std::string("pipeline.accumulation=3"),
          std::string("pipeline.micro_batch=4"), std::string("train.eval_every=5")}) {
      more.insert(more.begin(), setting);
    }
    for (const std::string& setting : more) args.insert(args.end(), {"--set", setting});
    const CommandResult result = cluster_.Pacictl(args);
    EXPECT_EQ(result.code, 0) << result.err;
    return absl::StrCat("real-", ++jobs_);
  }

  LocalCluster cluster_{{.workers = 2}};
  int jobs_ = 0;
};

std::vector<double> After(const std::vector<double>& losses, int64_t update) {
  return {losses.begin() + update, losses.end()};
}

TEST_F(DriftSplit, MicroBatchesAreHalvedAtEachCheckpointAndTheBitsAreThoseOfSuchAFile) {
  const std::string id = Submit({"pipeline.drift_limit=1e-12"});
  const std::vector<double> losses = Losses(cluster_.AwaitCompletion(id));
  const v1::Job job = cluster_.Get(id);
  EXPECT_EQ(job.generation(), 3);
  EXPECT_EQ(job.micro_batch_split(), 4);
  EXPECT_EQ(job.restarts_size(), 0);
  EXPECT_EQ(job.progress().tokens(), 40 * 3 * 4 * 32);
  EXPECT_GT(job.checkpoints(0).drift(), 1e-12);
  EXPECT_THAT(cluster_.EventTypes(id), Contains("MicroBatchesChanging"));
  EXPECT_THAT(cluster_.Pacictl({"events", id}).out,
              AllOf(HasSubstr("goes on with 6 micro-batches of 2 an update instead of 3 of 4"),
                    HasSubstr("goes on with 12 micro-batches of 1 an update instead of 6 of 2")));
  EXPECT_THAT(cluster_.Pacictl({"describe", id}).out,
              AllOf(HasSubstr("12 of 1 an update, 3 of 4 in the job file"),
                    HasSubstr("accumulation 12"), HasSubstr("drift limit 1e-12")));

  const std::string halves =
      Submit({"pipeline.accumulation=6", "pipeline.micro_batch=2", "train.eval_batches=4"},
             absl::StrCat(id, "@5"));
  const std::vector<double> of_halves = Losses(cluster_.AwaitCompletion(halves));
  EXPECT_EQ(std::vector<double>(of_halves.begin(), of_halves.begin() + 5),
            std::vector<double>(losses.begin() + 5, losses.begin() + 10));
  EXPECT_NE(After(of_halves, 5), After(losses, 10)) << "its lag is another";
  const std::string quarters =
      Submit({"pipeline.accumulation=12", "pipeline.micro_batch=1", "train.eval_batches=8"},
             absl::StrCat(id, "@10"));
  EXPECT_EQ(Losses(cluster_.AwaitCompletion(quarters)), After(losses, 10));
  const std::string same = Submit({"pipeline.drift_limit=1e-12"}, absl::StrCat(id, "@5"));
  EXPECT_EQ(Losses(cluster_.AwaitCompletion(same)), After(losses, 5));
}

TEST_F(DriftSplit, BelowTheLimitNothingChanges) {
  const std::string id = Submit({"pipeline.drift_limit=1e6"});
  cluster_.AwaitCompletion(id);
  EXPECT_EQ(cluster_.Get(id).generation(), 1);
  EXPECT_THAT(cluster_.EventTypes(id), Not(Contains("MicroBatchesChanging")));
  EXPECT_THAT(cluster_.Pacictl({"describe", id}).out, Not(HasSubstr("in the job file")));
}

}  // namespace
}  // namespace paci
