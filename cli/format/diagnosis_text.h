#pragma once

#include <string>

#include "paci/v1/job.pb.h"

namespace paci::cli {

// `pacictl diagnose`: the summary, and a line a stage.
std::string DiagnosisText(const v1::Diagnosis& diagnosis);

}  // namespace paci::cli
