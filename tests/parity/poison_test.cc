// A number that is not finite, and where it is found to come from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>

#include "common/checkpoint/checkpoint.h"
#include "common/checksum/checksum.h"
#include "common/config/checkpoint_directory.h"
#include "tests/parity/small_job.h"
#include "worker/compute/poison_watch.h"

namespace paci {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(IsFinite, FindsAnInfinityAndANaNWhereverTheyAre) {
  std::vector<float> values(1027, std::numeric_limits<float>::max());
  EXPECT_TRUE(IsFinite(values));
  EXPECT_TRUE(IsFinite({}));
  for (const size_t at : {size_t{0}, values.size() / 2, values.size() - 1}) {
    for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
      std::vector<float> poisoned = values;
      poisoned[at] = bad;
      EXPECT_FALSE(IsFinite(poisoned)) << bad << " at " << at;
    }
  }
}

class PoisonWatchTest : public testing::Test {
 protected:
  static std::unique_ptr<Schedule> ScheduleOf(int64_t stage) {
    ScheduleConfig config;
    config.stages = 3;
    config.accumulation = 8;
    config.milestones.updates = 100;
    return MakeSchedule(config, stage);
  }
  const Finite good_ = [] { return IsFinite(std::vector<float>{1, 2}); };
  const Finite bad_ = [] { return IsFinite(std::vector<float>{1, kInfinity}); };
  const Action forward_ = {ActionKind::kForward, 97};
  const Action backward_ = {ActionKind::kBackward, 97};
};

TEST_F(PoisonWatchTest, SaysWhatBecameSoAndWhatCameSo) {
  const auto middle = ScheduleOf(1);
  PoisonWatch watch(middle.get());
  watch.AfterForward(forward_, bad_, good_);
  EXPECT_EQ(watch.Take(12, true),
            "update 12: the output of the forward of micro-batch 97 is not finite, its input was");
  watch.AfterForward(forward_, bad_, bad_);
  EXPECT_EQ(watch.Take(12, true),
            "update 12: the activation of micro-batch 97 came so from stage 0");
  watch.BeforeBackward(backward_, bad_);
  watch.AfterBackward(backward_, bad_);
  EXPECT_EQ(watch.Take(12, true), "update 12: the gradient of micro-batch 97 came so from stage 2");
  watch.AfterBackward(backward_, bad_);
  EXPECT_EQ(watch.Take(12, true),
            "update 12: the gradient became so in the backward of micro-batch 97");
  EXPECT_EQ(watch.Take(12, true),
            "update 12: a gradient of the stage's weights became so, what came and left did not");
  EXPECT_EQ(watch.Take(12, false), "");

  const auto last = ScheduleOf(2);
  PoisonWatch of_last(last.get());
  of_last.AfterForward(forward_, bad_, good_);
  EXPECT_EQ(of_last.Take(12, true), "update 12: the loss of micro-batch 97 is not finite");
}

TEST_F(PoisonWatchTest, KeepsTheFirstFindingOfEachUpdate) {
  const auto middle = ScheduleOf(1);
  PoisonWatch watch(middle.get());
  watch.AfterForward({ActionKind::kForward, 104}, bad_, good_);  // of update 13
  watch.BeforeBackward(backward_, bad_);
  watch.AfterForward({ActionKind::kForward, 98}, bad_, good_);
  EXPECT_EQ(watch.Take(12, true), "update 12: the gradient of micro-batch 97 came so from stage 2");
  EXPECT_THAT(watch.Take(13, true), HasSubstr("the forward of micro-batch 104"));
}

// On a device an answer costs a wait: it is asked for only when an update is to be skipped, and
// then in order.
TEST_F(PoisonWatchTest, AsksLaterWhereAskingWaits) {
  const auto middle = ScheduleOf(1);
  PoisonWatch watch(middle.get(), /*asks_later=*/true);
  int asked = 0;
  const Finite good = [&] { return ++asked > 0; };
  const Finite bad = [&] { return ++asked < 0; };
  watch.AfterForward(forward_, good, good);
  watch.AfterForward({ActionKind::kForward, 98}, bad, good);
  watch.BeforeBackward(backward_, bad);
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(watch.Take(12, true), HasSubstr("the output of the forward of micro-batch 98"));
  EXPECT_EQ(asked, 3);
  watch.BeforeBackward(backward_, bad);
  EXPECT_EQ(watch.Take(12, false), "");
  EXPECT_EQ(asked, 3);
}

// Weights that overflow: with this learning rate after the first update.
TEST(Poison, AHugeLearningRateIsTracedToTheStageWhoseOutputOverflows) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 2);
  spec.mutable_optimizer()->set_lr(1e38);
  spec.mutable_optimizer()->set_warmup_updates(0);
  const RunResult run = Train(spec, {2, 2, 1});
  ASSERT_EQ(run.stages.size(), 3u);
  for (const v1::StageStatus& stage : run.stages) {
    EXPECT_EQ(stage.skipped_updates(), 23) << stage.index();
    EXPECT_EQ(stage.skipped_in_a_row(), 23) << stage.index();
    EXPECT_THAT(stage.poison(), StartsWith("update 23: ")) << stage.index();
  }
  // The first stage's own output: every other one got it.
  EXPECT_EQ(run.stages[0].poison(),
            "update 23: the output of the forward of micro-batch 46 is not finite, its input was");
  EXPECT_EQ(run.stages[1].poison(),
            "update 23: the activation of micro-batch 46 came so from stage 0");
  EXPECT_EQ(run.stages[2].poison(),
            "update 23: the activation of micro-batch 46 came so from stage 1");
}

// The last number of a file of weights becomes a NaN, and `part`, which lists it, true of it again.
void Poison(const std::string& directory, const std::string& name, v1::CheckpointPart& part) {
  std::stringstream read;
  read << std::ifstream(directory + "/" + name, std::ios::binary).rdbuf();
  std::string bytes = read.str();
  const float bad = std::nanf("");
  ASSERT_GT(bytes.size(), sizeof(bad));
  std::memcpy(bytes.data() + bytes.size() - sizeof(bad), &bad, sizeof(bad));
  std::ofstream(directory + "/" + name, std::ios::binary) << bytes;
  Checksum checksum;
  checksum.Add(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()));
  for (v1::CheckpointFile& file : *part.mutable_files()) {
    if (file.path() == name) file.set_checksum(checksum.Text());
  }
}

TEST(Poison, AWeightThatIsNotANumberIsTracedToItsStage) {
  SmallData data;
  v1::JobSpec spec = SmallJob(data, "1f1b", 2);
  spec.mutable_checkpoint()->set_every(8);
  spec.mutable_checkpoint()->set_keep(3);
  RunResult whole = Train(spec, {2, 2, 1});
  v1::Checkpoint checkpoint;
  checkpoint.set_directory(CheckpointDirectory(spec, "test-1", {16, 1}));
  checkpoint.set_update(16);
  Poison(checkpoint.directory(), "unit-00002.weights.safetensors", whole.checkpoints.at(16));
  v1::CommitCheckpoint commit;
  commit.mutable_key()->set_job_id("test-1");
  commit.mutable_key()->set_generation(1);
  commit.set_update(16);
  *commit.mutable_files() = whole.checkpoints.at(16).files();
  ASSERT_EQ(CommitManifest(spec, commit), absl::OkStatus());

  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  const RunResult run = Train(spec, {2, 2, 1}, std::nullopt, nullptr, &checkpoint);
  ASSERT_EQ(run.stages.size(), 3u);
  EXPECT_EQ(run.stages[0].poison(),
            "update 23: the gradient of micro-batch 46 came so from stage 1");
  EXPECT_EQ(run.stages[1].poison(),
            "update 23: the output of the forward of micro-batch 46 is not finite, its input was");
  EXPECT_EQ(run.stages[2].poison(),
            "update 23: the activation of micro-batch 46 came so from stage 1");
  for (const v1::StageStatus& stage : run.stages) EXPECT_EQ(stage.skipped_in_a_row(), 8);
}

}  // namespace
}  // namespace paci
