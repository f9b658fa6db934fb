#pragma once

// recovery.mode fast: after a failure the stages that did not fail go on with their weights as they
// are. A pure decision.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// What a failure left of a stage.
struct StageRemains {
  bool is_whole = false;  // it has stopped and its worker holds it: its weights are as after...
  uint64_t updates = 0;   // ... so many
  std::optional<uint64_t> copy_update;  // of the copy that this stage's worker keeps of another
};

struct FastRestart {
  uint64_t generation = 0;    // that failed
  uint64_t first_update = 0;  // updates that are done for all stages; every later one is done again
  std::vector<v1::StateSource> sources;  // by stage

  size_t LostStages() const;
};

// A failed stage goes on from the copy that the next stage keeps, or from the job's newest
// checkpoint if there is none or it is newer; the others from their own weights, which may be of
// later updates than the first. FAILED_PRECONDITION says why it cannot be done: nothing is left of
// all, a failed stage has neither, or the run is over.
absl::StatusOr<FastRestart> DecideFastRestart(const v1::Job& job,
                                              const std::vector<StageRemains>& remains);

// "all go on from update 41: stage 1 with the copy of update 41 that the next stage keeps, the
// others with their own weights"
std::string Describe(const FastRestart& restart, const v1::Job& job,
                     const std::vector<StageRemains>& remains);

}  // namespace paci
