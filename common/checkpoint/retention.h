#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// The updates that the job has a checkpoint folder of, complete or not, newest first.
std::vector<uint64_t> UpdatesOnDisk(const v1::JobSpec& spec, const std::string& job_id);

// Applies `spec.checkpoint.keep` after the checkpoint of `update` was committed: of the job's
// checkpoints up to it, the newest complete ones stay, the others and the incomplete ones go. Those
// of later updates are somebody else's (a run that was begun again), and stay. What cannot be
// removed is logged and tried again the next time: the checkpoint itself is good.
void ApplyRetention(const v1::JobSpec& spec, const std::string& job_id, uint64_t update);

}  // namespace paci
