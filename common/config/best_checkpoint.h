#pragma once

#include "paci/v1/job.pb.h"

namespace paci {

// Of the job's checkpoints the one with the least validation loss, of equals the newest; null: none
// has one that is a number.
const v1::Checkpoint* BestCheckpoint(const v1::Job& job);

}  // namespace paci
