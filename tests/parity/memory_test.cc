// Weights exist once: a stage under PACI holds no more tensor memory than under a flush.

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "tests/parity/small_job.h"

namespace paci {
namespace {

// Hears of every tensor that a stage's thread allocates or frees, to the byte.
class TensorBytes final : public c10::MemoryReportingInfoBase {
 public:
  void reportMemoryUsage(void* /*ptr*/, int64_t bytes, size_t /*total*/, size_t /*reserved*/,
                         c10::Device /*device*/) override {
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }
  bool memoryProfilingEnabled() const override { return true; }

  int64_t peak() const { return peak_; }

 private:
  int64_t now_ = 0;
  int64_t peak_ = 0;
};

// The most bytes of tensors that each stage held at once. Strict order: what is alive when does not
// depend on timing.
std::vector<int64_t> PeakTensorBytes(SmallData& data, const std::string& schedule,
                                     const std::vector<uint32_t>& units_per_stage,
                                     uint32_t accumulation) {
  std::vector<std::shared_ptr<TensorBytes>> counters;
  for (size_t i = 0; i < units_per_stage.size(); ++i) {
    counters.push_back(std::make_shared<TensorBytes>());
  }
  v1::JobSpec spec = SmallJob(data, schedule, accumulation);
  spec.mutable_train()->set_updates(6);
  const RunResult run = Train(spec, units_per_stage, std::nullopt, [&](uint32_t stage) {
    c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, counters[stage]);
  });
  std::vector<int64_t> peaks;
  for (const std::shared_ptr<TensorBytes>& counter : counters) peaks.push_back(counter->peak());
  return peaks;
}

TEST(Memory, OfEveryStageUnderPaciIsThatUnderAFlushWithinTwoPercent) {
  SmallData data;
  const std::vector<uint32_t> units_per_stage = {2, 1, 1, 1};
  // A flush has all its micro-batches in flight only where an update has more of them than stages.
  for (const uint32_t accumulation : {5, 8}) {
    const auto flush = PeakTensorBytes(data, "1f1b", units_per_stage, accumulation);
    const auto paci = PeakTensorBytes(data, "paci", units_per_stage, accumulation);
    for (size_t stage = 0; stage < units_per_stage.size(); ++stage) {
      EXPECT_GT(flush[stage], 0);
      EXPECT_LE(static_cast<double>(paci[stage]), 1.02 * static_cast<double>(flush[stage]))
          << "stage " << stage << ", accumulation " << accumulation;
    }
  }
}

}  // namespace
}  // namespace paci
