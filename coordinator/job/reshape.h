#pragma once

// Over how many stages a job goes on, and on which occasion: pure decisions with their reasons.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// A stage of a running job whose worker is to leave.
struct LeavingStage {
  uint32_t stage = 0;
  std::string worker;  // its name
  std::string why;
};

struct ReshapeDecision {
  uint32_t stages = 0;
  std::string reason;  // one sentence
};

// Whether a running job of `stages` stages, whose newest checkpoint was just committed, begins
// again from it over other workers; nullopt: it goes on as it is. `free` workers could be had
// beside its own. It does so to have as many stages as are wanted, no more and no fewer, and to let
// workers leave; for the latter it makes do with fewer stages if `recovery.min_stages` allows.
std::optional<ReshapeDecision> DecideReshape(const v1::Job& job, uint32_t stages,
                                             const std::vector<LeavingStage>& leaving, size_t free);

// What a job waits for that has no workers.
struct Needs {
  uint32_t had = 0;     // stages of the generation before; >= 1
  uint32_t enough = 0;  // with so many it waits no longer; 1..wanted
  double waits_seconds = 0;
  bool has_waited = false;  // so long
};

struct PlacingDecision {
  enum class Kind { kWait, kGoOn, kFail };
  Kind kind = Kind::kWait;
  uint32_t stages = 0;  // of kGoOn; at most as many as are wanted
  std::string reason;   // of kGoOn: empty if the number is the one of before and the wanted one
};

// What becomes of a job that is to go on, with `free` workers.
PlacingDecision DecidePlacing(const v1::Job& job, const Needs& needs, size_t free);

}  // namespace paci
