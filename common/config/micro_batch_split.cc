#include "common/config/micro_batch_split.h"

#include <algorithm>
#include <utility>

#include "common/config/job_key.h"
#include "common/config/schedule_config.h"
#include "common/schedule/accumulation.h"

namespace paci {
namespace {

bool IsInRange(const char* key, uint64_t value) {
  return FindJobKey(key)->range.Contains(static_cast<double>(value));
}

}  // namespace

uint32_t SplitOf(const v1::Job& job) { return std::max(job.micro_batch_split(), 1u); }

bool CanSplit(const v1::JobSpec& spec, uint32_t split) {
  return spec.pipeline().micro_batch() % split == 0 &&
         IsInRange("pipeline.accumulation", uint64_t{spec.pipeline().accumulation()} * split) &&
         IsInRange("train.eval_batches", uint64_t{spec.train().eval_batches()} * split);
}

v1::JobSpec SplitMicroBatches(v1::JobSpec spec, uint32_t split) {
  v1::PipelineSpec& pipeline = *spec.mutable_pipeline();
  pipeline.set_accumulation(pipeline.accumulation() * split);
  pipeline.set_micro_batch(pipeline.micro_batch() / split);
  spec.mutable_train()->set_eval_batches(spec.train().eval_batches() * split);
  return spec;
}

v1::JobSpec InItsMicroBatches(const v1::Job& job) {
  return SplitMicroBatches(job.spec(), SplitOf(job));
}

uint32_t FirstSplit(const v1::JobSpec& spec) {
  if (spec.pipeline().drift_limit() <= 0) return 1;
  const int64_t least = LeastAccumulation(ScheduleConfigOf(spec));
  uint32_t split = 1;
  while (int64_t{spec.pipeline().accumulation()} * split < least && CanSplit(spec, 2 * split)) {
    split *= 2;
  }
  return split;
}

v1::JobSpec AsItBegins(const v1::JobSpec& spec) {
  v1::JobSpec result = SplitMicroBatches(spec, FirstSplit(spec));
  result.mutable_pipeline()->clear_drift_limit();
  return result;
}

}  // namespace paci
