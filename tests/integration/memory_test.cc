// Weights exist once: PACI takes no more memory than a flush.

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/integration/job_files.h"
#include "tests/integration/local_cluster.h"

namespace paci {
namespace {

// The runs differ in the schedule alone: the layers are cut by hand, because measuring them leaves
// a varying amount of memory behind, and the order of work does not depend on timing. The model is
// so large that what the process has besides it, which varies by megabytes, hides nothing.
std::vector<uint64_t> PeakBytesOfStages(const std::string& schedule) {
  LocalCluster cluster({.workers = 2});
  const std::string id = cluster.Submit(
      WriteRealJob(cluster.folder()),
      {"pipeline.schedule=" + schedule, "model.layers=4", "model.hidden=1280", "model.heads=4",
       "model.context=128", "pipeline.micro_batch=2", "pipeline.accumulation=4", "train.updates=4",
       "train.eval_every=0", "pipeline.order=strict", "pipeline.partition=3,3"});
  const v1::Job job = cluster.AwaitState(id, v1::JOB_STATE_COMPLETED);
  std::vector<uint64_t> bytes;
  for (const v1::StageStatus& stage : job.stages()) {
    bytes.push_back(stage.peak_resident_bytes());
  }
  return bytes;
}

TEST(Memory, OfEveryStageUnderPaciIsThatUnderAFlushWithinTwoPercent) {
  const std::vector<uint64_t> flush = PeakBytesOfStages("1f1b");
  const std::vector<uint64_t> paci = PeakBytesOfStages("paci");
  ASSERT_EQ(paci.size(), 2);
  ASSERT_EQ(flush.size(), 2);
  for (int stage = 0; stage < 2; ++stage) {
    EXPECT_LE(static_cast<double>(paci[stage]), 1.02 * static_cast<double>(flush[stage]))
        << "stage " << stage;
    RecordProperty(absl::StrCat("paci_stage_", stage), std::to_string(paci[stage]));
    RecordProperty(absl::StrCat("flush_stage_", stage), std::to_string(flush[stage]));
  }
}

}  // namespace
}  // namespace paci
