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

// What a job with a limit begins with, while nothing is measured and weights move fastest: the
// least split with a lag of at most 1, or the largest there is; nullopt: its file's micro-batches.
std::optional<SplitDecision> FirstSplit(const v1::JobSpec& spec);

// Of a running job whose newest checkpoint was just committed; nullopt: it goes on as it is.
// Above the limit micro-batches are halved, and with them the lag; where they cannot be, nothing
// happens. They are doubled again, up to the size in the job file, once that would leave the drift
// well below the limit: it grows at most as the lag does.
std::optional<SplitDecision> DecideSplit(const v1::Job& job);

}  // namespace paci
