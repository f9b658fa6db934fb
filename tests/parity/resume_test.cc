// A run that goes on from a checkpoint gives bit for bit what the run that was not interrupted
// gave.
#include <gtest/gtest.h>

#include <fstream>

#include "common/checkpoint/checkpoint.h"
#include "common/config/checkpoint_directory.h"
#include "common/schedule/presets.h"
#include "tests/parity/small_job.h"

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
  checkpoint.set_directory(CheckpointDirectory(spec, kJobId, update));
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
