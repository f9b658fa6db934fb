// The schedules over real workers: what they promise of losses and of version lag.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

class Schedules : public testing::Test {
 protected:
  // The losses of one run, as pacictl's JSON has them.
  std::vector<double> Run(const std::vector<std::string>& settings) {
    const std::string id = cluster_.Submit(job_file_, settings);
    cluster_.AwaitState(id, v1::JOB_STATE_COMPLETED);
    const nlohmann::json metrics = cluster_.PacictlJson({"metrics", id});
    std::vector<double> losses;
    for (const auto& point : metrics["points"]) {
      if (point.contains("loss")) losses.push_back(point["loss"]);
      if (point.contains("validation_loss")) losses.push_back(point["validation_loss"]);
    }
    EXPECT_EQ(losses.size(), 40 + 3);
    last_job_ = cluster_.Get(id);
    return losses;
  }

  LocalCluster cluster_{{.workers = 4}};
  const std::string job_file_ = WriteRealJob(cluster_.folder());
  v1::Job last_job_;
};

TEST_F(Schedules, PaciLearnsOverThreeAndFourWorkersInBothOrdersWithinItsBounds) {
  for (const int stages : {3, 4}) {
    for (const std::string order : {"drain_first", "strict"}) {
      SCOPED_TRACE(absl::StrCat(stages, " stages, ", order));
      const std::vector<double> losses =
          Run({absl::StrCat("pipeline.stages=", stages), "pipeline.order=" + order,
               "pipeline.accumulation=2", "train.updates=40"});
      EXPECT_LT(losses.back(), losses.front() - 2);
      ASSERT_EQ(last_job_.stages_size(), stages);
      for (const v1::StageStatus& stage : last_job_.stages()) {
        const int after = stages - 1 - static_cast<int>(stage.index());
        EXPECT_EQ(stage.lag().bound(), (after + 1) / 2);
        EXPECT_LE(stage.lag().counts_size(), static_cast<int>(stage.lag().bound()) + 1);
        EXPECT_EQ(stage.in_flight_cap(), after + 1);
        EXPECT_EQ(stage.backwards(), 80);
      }
    }
  }
}

TEST_F(Schedules, StrictGivesTheSameLossesBitForBitEveryTime) {
  const std::vector<std::string> strict = {"pipeline.stages=3", "pipeline.order=strict"};
  const std::vector<double> losses = Run(strict);
  EXPECT_EQ(Run(strict), losses);
}

TEST_F(Schedules, AFlushOverThreeWorkersGivesTheLossesOfOneBitForBit) {
  const auto flush = [](int stages) -> std::vector<std::string> {
    return {absl::StrCat("pipeline.stages=", stages), "pipeline.schedule=1f1b",
            "optimizer.clip_norm=0"};
  };
  const std::vector<double> losses = Run(flush(1));
  EXPECT_EQ(Run(flush(3)), losses);
}

// Two workers, so two links each way between them.
TEST_F(Schedules, ChunksInterleavedOverTwoWorkersGiveTheLossesOfOneStageBitForBit) {
  const auto job = [](const std::string& schedule, int stages) -> std::vector<std::string> {
    return {absl::StrCat("pipeline.stages=", stages), "pipeline.schedule=" + schedule,
            "optimizer.clip_norm=0", "pipeline.accumulation=2"};
  };
  const std::vector<double> losses = Run(job("1f1b", 1));
  EXPECT_EQ(Run(job("interleaved", 2)), losses);
  for (const v1::StageStatus& stage : last_job_.stages()) {
    EXPECT_EQ(stage.chunks_size(), 2);
    EXPECT_EQ(stage.backwards(), 2 * 2 * 40);
  }
}

}  // namespace
}  // namespace paci
