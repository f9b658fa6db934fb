#include "cli/commands/commands.h"

namespace paci::cli {

std::vector<Verb> AllVerbs() {
  return {SubmitVerb(),
          ValidateVerb(),
          PlanVerb(),
          ListVerb(),
          DescribeVerb(),
          DiagnoseVerb(),
          WatchVerb(),
          EventsVerb(),
          MetricsVerb(),
          TraceVerb(),
          CancelVerb(),
          PauseVerb(),
          ResumeVerb(),
          RescaleVerb(),
          DeleteVerb(),
          WorkersVerb(),
          DrainVerb(),
          CheckpointsVerb(),
          VerifyCheckpointVerb(),
          ImportVerb(),
          ExportVerb(),
          GenerateVerb(),
          TokenVerb(),
          HealthVerb(),
          VersionVerb(),
          CompletionVerb()};
}

}  // namespace paci::cli
