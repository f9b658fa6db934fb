#include "cli/commands/commands.h"

namespace paci::cli {

std::vector<Verb> AllVerbs() {
  return {SubmitVerb(), ValidateVerb(), PlanVerb(),    ListVerb(),      DescribeVerb(),
          WatchVerb(),  EventsVerb(),   MetricsVerb(), TraceVerb(),     CancelVerb(),
          PauseVerb(),  ResumeVerb(),   RescaleVerb(), DeleteVerb(),    WorkersVerb(),
          DrainVerb(),  GenerateVerb(), VersionVerb(), CompletionVerb()};
}

}  // namespace paci::cli
