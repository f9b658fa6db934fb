#pragma once

#include <cstdint>
#include <string>

#include "paci/v1/job.pb.h"

namespace paci::cli {

// What a person asks of a job's stages, computed from what is reported. Each is pure.

// Of its last pipeline; before it has one, the wanted ones.
uint32_t StageCount(const v1::Job& job);
// What a user asked for last, in the job file or since.
uint32_t WantedStages(const v1::Job& job);

// Share of its running time that a stage computed: (forward + backward + update) / running. 0
// before it runs.
double BusyShare(const v1::StageStatus& stage);

// Version lag over every backward so far.
uint64_t LagMax(const v1::LagStatus& lag);
double LagMean(const v1::LagStatus& lag);

// Which layers the stage holds of a model of `layers` blocks: "embedding, 1-2", "3-4", "5, head";
// of several chunks "embedding, 1; 4-5".
std::string UnitsText(const v1::StageStatus& stage, uint32_t layers);

// "93%", or "-" before the stage runs.
std::string BusyText(const v1::StageStatus& stage);
// "1/2": the largest lag seen beside its bound.
std::string LagText(const v1::LagStatus& lag);

}  // namespace paci::cli
