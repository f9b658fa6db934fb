#pragma once

// `pipeline.drift_limit`: in how many micro-batches a job's batch goes on: a pure decision with its
// reason.

#include <cstdint>
#include <optional>
#include <string>

#include "paci/v1/job.pb.h"

namespace paci {

struct SplitDecision {
  uint32_t split = 1;  // micro_batch_split.h
  std::string reason;  // one sentence
};

// What a job begins with: with a limit FirstSplit, while nothing is measured and weights move
// fastest, or, from a checkpoint of a `writer` with the same micro-batches (null: of no job that is
// known), the `writers_split` that it went on with (0: 1), where the spec can be split so. The
// reason is empty where the job file says it all.
SplitDecision DecideFirstSplit(const v1::JobSpec& spec, const v1::JobSpec* writer,
                               uint32_t writers_split);

// Of a running job whose newest checkpoint was just committed; nullopt: it goes on as it is.
// Above the limit micro-batches are halved, and with them the lag; where they cannot be, nothing
// happens. They are doubled again, up to the size in the job file, once that would leave the drift
// well below the limit: it grows at most as the lag does.
std::optional<SplitDecision> DecideSplit(const v1::Job& job);

}  // namespace paci
