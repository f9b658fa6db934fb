#pragma once

#include <string>

#include "paci/v1/job.pb.h"

namespace paci::cli {

// The words a person reads for the contract's enums: JOB_STATE_RUNNING -> "Running". A number that
// this pacictl does not know, from a newer coordinator, is shown as "State 17".
std::string StateName(v1::JobState state);
std::string StateName(v1::StageState state);
std::string StateName(v1::WorkerState state);
// As the job file writes them: "bytes", "drain_first", "measured".
std::string TokenizerName(v1::Tokenizer tokenizer);
std::string OrderName(v1::Order order);
std::string RecomputeName(v1::Recompute recompute);
std::string LagCorrectionName(v1::LagCorrection correction);
std::string PartitionName(v1::PartitionBy by);
std::string PrecisionName(v1::Precision precision);

// Completed, Failed or Cancelled.
bool HasEnded(v1::JobState state);
// It does not run now, and pauses as soon as it does.
bool WillPause(const v1::Job& job);

}  // namespace paci::cli
