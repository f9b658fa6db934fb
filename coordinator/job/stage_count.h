#pragma once

// How many stages a job may have and is to have: not always as many as its spec says.

#include <cstdint>
#include <string>

#include "paci/v1/job.pb.h"

namespace paci {

// Why the job cannot have so many stages, as its rules put it ("pipeline.stages: 9 stages are more
// than the 6 units ..."); empty: it can.
std::string ProblemOfStages(const v1::JobSpec& spec, uint32_t stages);

// The largest number, at most `most`, that the job can have; 0: there is none.
uint32_t LargestCount(const v1::JobSpec& spec, uint64_t most);

// What a user asked for last, in the spec or since.
uint32_t WantedStages(const v1::Job& job);

// With how few a job may go on for which `enough` would do, once it has waited: >= 1, <= enough.
uint32_t FewestStages(const v1::JobSpec& spec, uint32_t enough);

std::string CountOfStages(uint32_t count);  // "1 stage", "4 stages"

// Whether there are checkpoints before the last update. At those a running job can be given another
// number of stages.
bool HasCheckpointsOnTheWay(const v1::JobSpec& spec);

}  // namespace paci
