#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/config/checkpoint_directory.h"
#include "paci/v1/job.pb.h"

namespace paci {

// The checkpoints that a job has folders of, complete or not, newest first.
std::vector<CheckpointName> CheckpointsOnDisk(const v1::JobSpec& spec, const std::string& job_id);

// Applies `spec.checkpoint.keep` after a checkpoint was committed: so many complete ones of earlier
// updates stay beside it, since nobody else knows of the commit yet, and `best`, if there is one;
// the other earlier ones and the incomplete ones go, with what earlier generations left incomplete
// of later updates. Complete ones of later updates, and all of later generations, are somebody
// else's, and stay. What cannot be removed is logged and tried again the next time: the checkpoint
// itself is good.
void ApplyRetention(const v1::JobSpec& spec, const std::string& job_id,
                    const CheckpointName& committed, const std::optional<CheckpointName>& best);

}  // namespace paci
