#pragma once

#include <vector>

#include "cli/verb.h"

namespace paci::cli {

Verb SubmitVerb();
Verb ValidateVerb();
Verb PlanVerb();
Verb TokenVerb();
Verb ListVerb();
Verb DescribeVerb();
Verb DiagnoseVerb();
Verb WatchVerb();
Verb EventsVerb();
Verb MetricsVerb();
Verb CancelVerb();
Verb PauseVerb();
Verb ResumeVerb();
Verb RescaleVerb();
Verb DeleteVerb();
Verb WorkersVerb();
Verb DrainVerb();
Verb CheckpointsVerb();
Verb VerifyCheckpointVerb();
Verb ImportVerb();
Verb ExportVerb();
Verb GenerateVerb();
Verb TraceVerb();
Verb HealthVerb();
Verb VersionVerb();
Verb CompletionVerb();

// In the order that help shows.
std::vector<Verb> AllVerbs();

}  // namespace paci::cli
