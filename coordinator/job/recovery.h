#pragma once

// What becomes of a job whose stage failed: a pure decision with its reason.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "coordinator/job/failure.h"
#include "coordinator/job/fast_restart.h"
#include "paci/v1/job.pb.h"

namespace paci {

struct RecoveryDecision {
  enum class Kind {
    kFail,
    kRestart,           // every stage goes back to the newest checkpoint, or to the beginning
    kRestartFromOlder,  // the newest checkpoint is damaged: to the one before
  };
  Kind kind = Kind::kFail;
  std::string reason;               // one sentence
  std::optional<FastRestart> fast;  // of kRestart: not every stage goes back
};

// `causes` is not empty. No restart for what would only fail again: an error of a stage's own that
// is about its input (INVALID_ARGUMENT, NOT_FOUND, OUT_OF_RANGE, ...), or any before the job has
// run. `remains`, by stage, is looked at in recovery.mode fast.
RecoveryDecision DecideRecovery(const v1::Job& job, const std::vector<FailureCause>& causes,
                                const std::vector<StageRemains>& remains, absl::Time now);

// In recovery.mode fast, and so far that stages have something to keep.
bool MayRestartFast(const v1::Job& job);

// Forgets the restarts that are older than the job's window.
void DropOldRestarts(v1::Job& job, absl::Time now);

// Where a restart begins: the job's newest checkpoint, else that of another job with which it
// began; null: its beginning.
const v1::Checkpoint* ResumePoint(const v1::Job& job);
// "update 40, its last checkpoint", "its beginning".
std::string PlaceToRestart(const v1::Job& job);

}  // namespace paci
