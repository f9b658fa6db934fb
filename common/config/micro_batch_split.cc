#include "common/config/micro_batch_split.h"

#include <algorithm>
#include <utility>

#include "common/config/job_key.h"

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

}  // namespace paci
