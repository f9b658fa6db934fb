// A run that goes on from a checkpoint gives bit for bit what the run that was not interrupted
// gave.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/checkpoint.h"
#include "common/config/checkpoint_directory.h"
#include "common/schedule/presets.h"
#include "tests/parity/small_job.h"
#include "worker/compute/stage_model.h"
#include "worker/compute/torch_compute.h"

namespace paci {
namespace {

constexpr char kJobId[] = "test-1";

v1::JobSpec CheckpointedJob(SmallData& data, const std::string& schedule, uint32_t accumulation) {
  v1::JobSpec spec = SmallJob(data, schedule, accumulation);
  spec.mutable_checkpoint()->set_every(8);
  spec.mutable_checkpoint()->set_keep(3);
  return spec;
}

v1::Checkpoint Commit(const v1::JobSpec& spec, const RunResult& run, uint64_t update) {
  v1::CommitCheckpoint command;
  command.mutable_key()->set_job_id(kJobId);
  command.mutable_key()->set_generation(1);
  command.set_update(update);
  *command.mutable_files() = run.checkpoints.at(update).files();
  EXPECT_EQ(CommitManifest(spec, command), absl::OkStatus());
  v1::Checkpoint checkpoint;
  checkpoint.set_directory(CheckpointDirectory(spec, kJobId, {update, 1}));
  checkpoint.set_update(update);
  return checkpoint;
}

// Those of updates after `update`, and the weights and state in the end.
void ExpectTheRest(const RunResult& resumed, const RunResult& whole, uint64_t update) {
  const std::vector<double> losses(whole.losses.begin() + static_cast<int64_t>(update),
                                   whole.losses.end());
  EXPECT_EQ(resumed.losses, losses);
  for (const auto& [at, loss] : resumed.validation_losses) {
    EXPECT_GT(at, update);
    EXPECT_EQ(whole.validation_losses.at(at), loss);
  }
  EXPECT_EQ(resumed.checksums, whole.checksums);
}

TEST(Resume, EveryScheduleGoesOnBitForBit) {
  SmallData data;
  for (const Preset& preset : Presets()) {
    SCOPED_TRACE(std::string(preset.name));
    const uint32_t accumulation = preset.only_without_accumulation ? 1 : 2;
    v1::JobSpec spec = CheckpointedJob(data, std::string(preset.name), accumulation);
    spec.mutable_model()->set_dropout(0.1);
    std::vector<uint32_t> parts = {2, 1, 1, 1};
    if (preset.order == Order::kInterleaved) spec.mutable_pipeline()->set_chunks(2);
    const RunResult whole = Train(spec, parts);
    ASSERT_EQ(whole.losses.size(), 24u);
    const v1::Checkpoint checkpoint = Commit(spec, whole, 16);
    // Elsewhere, so that what the first run left cannot stand in.
    spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
    ExpectTheRest(Train(spec, parts, std::nullopt, nullptr, &checkpoint), whole, 16);
  }
}

// From a checkpoint among the flushed updates and from one after them: the run goes over to the
// asynchronous order, and back, where the one that was not interrupted did.
TEST(Resume, EveryOptimizerAndCorrectionGoesOnBitForBitAcrossFlushedUpdates) {
  SmallData data;
  for (const char* name : {"adamw", "muon", "soap", "lion"}) {
    for (const v1::LagCorrection correction :
         {v1::LAG_CORRECTION_NONE, v1::LAG_CORRECTION_EXTRAPOLATE,
          v1::LAG_CORRECTION_ERROR_FEEDBACK, v1::LAG_CORRECTION_LOOK_AHEAD}) {
      if (correction == v1::LAG_CORRECTION_LOOK_AHEAD && name != std::string("muon")) continue;
      SCOPED_TRACE(absl::StrCat(name, " ", v1::LagCorrection_Name(correction)));
      v1::JobSpec spec = CheckpointedJob(data, "paci", 2);
      spec.mutable_pipeline()->set_flush_first(11);
      spec.mutable_pipeline()->set_flush_last(3);
      spec.mutable_optimizer()->set_name(name);
      spec.mutable_optimizer()->set_lr(2e-3);
      spec.mutable_optimizer()->set_lag_correction(correction);
      const RunResult whole = Train(spec, {2, 1, 1, 1});
      for (const uint64_t update : {8, 16}) {
        v1::JobSpec rest = spec;
        rest.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
        const v1::Checkpoint checkpoint = Commit(spec, whole, update);
        ExpectTheRest(Train(rest, {2, 1, 1, 1}, std::nullopt, nullptr, &checkpoint), whole, update);
      }
    }
  }
}

// With what each stage knew of the others' norms.
TEST(Resume, ClippingByThePipelinesNormGoesOnBitForBit) {
  SmallData data;
  v1::JobSpec spec = CheckpointedJob(data, "paci", 2);
  spec.mutable_optimizer()->set_clip_norm(0.5);
  spec.mutable_optimizer()->set_clip_scope(v1::CLIP_SCOPE_PIPELINE);
  const RunResult whole = Train(spec, {2, 1, 1, 1});
  const v1::Checkpoint checkpoint = Commit(spec, whole, 16);
  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  ExpectTheRest(Train(spec, {2, 1, 1, 1}, /*delay_seed=*/3, nullptr, &checkpoint), whole, 16);
  // Over other stages it goes on, too.
  spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
  EXPECT_EQ(Train(spec, {3, 2}, std::nullopt, nullptr, &checkpoint).losses.size(), 8u);
}

TEST(Resume, ATiedHeadGoesOnBitForBitFromACheckpointThatHasItOnce) {
  SmallData data;
  for (const char* schedule : {"1f1b", "paci"}) {
    SCOPED_TRACE(schedule);
    v1::JobSpec spec = CheckpointedJob(data, schedule, 2);
    spec.mutable_model()->set_tied_head(true);
    const RunResult whole = Train(spec, {2, 1, 1, 1});
    const v1::Checkpoint checkpoint = Commit(spec, whole, 16);
    spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
    ExpectTheRest(Train(spec, {2, 1, 1, 1}, /*delay_seed=*/3, nullptr, &checkpoint), whole, 16);
    EXPECT_EQ(OpenWeights(checkpoint.directory(), 4)->Find("lm_head.weight").status().code(),
              absl::StatusCode::kNotFound);
    spec.mutable_model()->set_tied_head(false);
    EXPECT_THAT(std::string(StageModel(spec, 4, 5).Load(checkpoint.directory()).message()),
                testing::HasSubstr("expected a checkpoint of a job whose head has weights of its "
                                   "own, or model.tied_head true"));
  }
}

// What recovery.mode fast goes on from: the same as a checkpoint holds, over another worker's
// memory.
TEST(Resume, ACopyOfAStageHasAllThatACheckpointHas) {
  SmallData data;
  for (const Preset& preset : Presets()) {
    SCOPED_TRACE(std::string(preset.name));
    const uint32_t accumulation = preset.only_without_accumulation ? 1 : 2;
    v1::JobSpec spec = CheckpointedJob(data, std::string(preset.name), accumulation);
    if (preset.order == Order::kInterleaved) spec.mutable_pipeline()->set_chunks(2);
    const RunResult whole = Train(spec, {2, 1, 1, 1});
    v1::PrepareStage command;
    command.mutable_key()->set_job_id(kJobId);
    command.mutable_key()->set_generation(2);
    *command.mutable_resume_from() = Commit(spec, whole, 16);
    command.set_first_update(16);
    spec.mutable_pipeline()->set_stages(2);
    *command.mutable_spec() = spec;
    for (const auto& [first, end] : {std::pair(0U, 3U), std::pair(3U, 5U)}) {
      v1::UnitRange& chunk = *command.add_assignments()->add_chunks();
      chunk.set_first_unit(first);
      chunk.set_end_unit(end);
    }
    const auto from_checkpoint = MakeTorchCompute(command, 1);
    ASSERT_TRUE(from_checkpoint.ok()) << from_checkpoint.status();
    StateCopy copy;
    ASSERT_EQ((*from_checkpoint)->CopyState(16, copy), absl::OkStatus());
    const absl::StatusOr<StateCopy> sent = StateCopy::FromHeader(
        *copy.Header(), std::vector<std::byte>(copy.bytes().begin(), copy.bytes().end()));
    ASSERT_TRUE(sent.ok()) << sent.status();
    command.clear_resume_from();
    const auto from_copy = MakeTorchCompute(command, 1, &*sent);
    ASSERT_TRUE(from_copy.ok()) << from_copy.status();
    StateCopy again;
    ASSERT_EQ((*from_copy)->CopyState(16, again), absl::OkStatus());
    EXPECT_EQ(*again.Header(), *copy.Header());
    EXPECT_TRUE(again.bytes() == copy.bytes());
    // And it is not what a stage begins with.
    StateCopy begun;
    ASSERT_EQ((*MakeTorchCompute(command, 1))->CopyState(16, begun), absl::OkStatus());
    EXPECT_FALSE(begun.bytes() == copy.bytes());
  }
}

// Checkpoints that drain nothing; nor does anything else. The learning rate does not depend on the
// length of the run.
v1::JobSpec RunningJob(SmallData& data, const std::string& schedule) {
  v1::JobSpec spec = SmallJob(data, schedule, 2);
  spec.mutable_model()->set_dropout(0.1);
  spec.mutable_data()->clear_validation();
  spec.mutable_train()->set_eval_every(0);
  spec.mutable_optimizer()->set_lr_floor(1);
  spec.mutable_checkpoint()->set_every(4);
  spec.mutable_checkpoint()->set_cut(v1::CHECKPOINT_CUT_RUNNING);
  return spec;
}

std::map<std::string, std::string> ChecksumsOf(const v1::CheckpointPart& part) {
  std::map<std::string, std::string> checksums;
  for (const v1::CheckpointFile& file : part.files()) checksums[file.path()] = file.checksum();
  return checksums;
}

TEST(Resume, ARunningCutChangesNothingAndHasTheWeightsAfterExactlyItsUpdate) {
  SmallData data;
  const std::vector<uint32_t> parts = {2, 1, 1, 1};
  for (const Preset& preset : Presets()) {
    if (preset.only_without_accumulation || preset.order == Order::kInterleaved) continue;
    SCOPED_TRACE(std::string(preset.name));
    v1::JobSpec spec = RunningJob(data, std::string(preset.name));
    const RunResult cut = Train(spec, parts);
    ASSERT_EQ(cut.checkpoints.size(), 6u);
    // Without any but the last.
    spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
    spec.mutable_checkpoint()->set_every(0);
    const RunResult uncut = Train(spec, parts);
    EXPECT_EQ(cut.losses, uncut.losses);
    EXPECT_EQ(cut.checksums, uncut.checksums);
    // A run that ends there.
    spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
    spec.mutable_train()->set_updates(16);
    EXPECT_EQ(ChecksumsOf(cut.checkpoints.at(16)), Train(spec, parts).checksums);
  }
}

TEST(Resume, FromARunningCutItIsARunThatBeginsWithTheseWeightsDrained) {
  SmallData data;
  for (const Preset& preset : Presets()) {
    if (preset.only_without_accumulation || preset.order == Order::kInterleaved) continue;
    for (const std::vector<uint32_t>& parts : {std::vector<uint32_t>{2, 1, 1, 1}, {5}}) {
      SCOPED_TRACE(absl::StrCat(preset.name, " over ", parts.size()));
      v1::JobSpec spec = RunningJob(data, std::string(preset.name));
      const RunResult whole = Train(spec, parts);
      const v1::Checkpoint checkpoint = Commit(spec, whole, 12);
      spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
      const RunResult resumed = Train(spec, parts, std::nullopt, nullptr, &checkpoint);
      for (const v1::StageStatus& stage : resumed.stages) {
        EXPECT_EQ(stage.backwards(), 24u * 2);  // with those of the first 12 updates
      }
      // Drained at the one cut that it has, which is where it begins.
      spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
      spec.mutable_checkpoint()->set_cut(v1::CHECKPOINT_CUT_DRAINED);
      spec.mutable_checkpoint()->set_every(12);
      const RunResult drained = Train(spec, parts, std::nullopt, nullptr, &checkpoint);
      EXPECT_EQ(resumed.losses.size(), 12u);
      EXPECT_EQ(resumed.losses, drained.losses);
      EXPECT_EQ(resumed.checksums, drained.checksums);
      if (parts.size() == 1 || preset.boundary == UpdateBoundary::kFlush) {
        ExpectTheRest(resumed, whole, 12);
      }
    }
  }
}

TEST(Resume, AFlushGoesOnOverAnyNumberOfStages) {
  SmallData data;
  v1::JobSpec spec = CheckpointedJob(data, "1f1b", 3);
  const RunResult whole = Train(spec, {2, 3});
  const v1::Checkpoint checkpoint = Commit(spec, whole, 8);
  for (const std::vector<uint32_t>& parts :
       {std::vector<uint32_t>{5}, {4, 1}, {1, 1, 1, 1, 1}, {1, 2, 2}}) {
    SCOPED_TRACE(testing::PrintToString(parts));
    spec.mutable_checkpoint()->set_dir(data.NewCheckpointFolder());
    ExpectTheRest(Train(spec, parts, std::nullopt, nullptr, &checkpoint), whole, 8);
  }
}

}  // namespace
}  // namespace paci
