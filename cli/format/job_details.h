#pragma once

#include <string>

#include "absl/time/time.h"
#include "paci/v1/job.pb.h"

namespace paci::cli {

// `pacictl describe`: what the job is, how far it got, its stages, where their time goes, and its
// latest events.
std::string JobDetails(const v1::Job& job, const v1::ListEventsResponse& events, absl::Time now);

// `pacictl validate`: a complete spec, a line a section.
std::string SpecDetails(const v1::JobSpec& spec);

// "accumulation 7 (lag at most 1, ...)", with what it does to the lag where that can be said.
std::string AccumulationText(const v1::JobSpec& spec);

}  // namespace paci::cli
