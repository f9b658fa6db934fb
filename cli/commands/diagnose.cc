#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/diagnosis_text.h"

namespace paci::cli {
namespace {

absl::Status Diagnose(const Context& context, const std::string& job_id) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  v1::DiagnoseJobRequest request;
  request.set_job_id(job_id);
  const auto diagnosis = client->Call(&Jobs::DiagnoseJob, request);
  if (!diagnosis.ok()) return diagnosis.status();
  return Print(context, *diagnosis, [&] { return DiagnosisText(*diagnosis); });
}

}  // namespace

Verb DiagnoseVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {.name = "diagnose",
          .summary = "Say why a job stands still: who waits for whom, and for which stage all do",
          .description =
              "What every stage does or waits for, from whom and since when, as its worker last "
              "reported it; and of a pipeline that does not move, the stage that is the cause. "
              "Where a link is the cause, that is the stage that waits for it.",
          .example = "pacictl diagnose tiny-1\npacictl diagnose tiny-1 -o json | jq .summary",
          .arguments = {JobArgument(job_id.get())},
          .run = [job_id](const Context& context) { return Diagnose(context, *job_id); }};
}

}  // namespace paci::cli
