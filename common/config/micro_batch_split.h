#pragma once

// `pipeline.drift_limit`: a job may go on with the same batch in more, smaller micro-batches, which
// is the same training with less lag. The factor is its split: a power of 2.

#include <cstdint>

#include "paci/v1/job.pb.h"

namespace paci {

// Of its present or next generation; >= 1.
uint32_t SplitOf(const v1::Job& job);

// Whether micro-batches can be so many times smaller: they are whole sequences then, and no number
// is beyond its key's range.
bool CanSplit(const v1::JobSpec& spec, uint32_t split);

// `accumulation` and `train.eval_batches` times `split`, `micro_batch` divided by it.
// REQUIRES: CanSplit.
v1::JobSpec SplitMicroBatches(v1::JobSpec spec, uint32_t split);

// The job's spec in the micro-batches of its present or next generation.
v1::JobSpec InItsMicroBatches(const v1::Job& job);

// What a job with a `drift_limit` begins with while nothing is measured: the least split with a lag
// of at most 1, or the largest there is. 1 without a limit.
uint32_t FirstSplit(const v1::JobSpec& spec);

// The spec of what a job begins as, for plans: its micro-batches, and no limit.
v1::JobSpec AsItBegins(const v1::JobSpec& spec);

}  // namespace paci
