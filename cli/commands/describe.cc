#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/history.h"
#include "cli/commands/print.h"
#include "cli/format/job_details.h"

namespace paci::cli {
namespace {

absl::Status Describe(const Context& context, const std::string& job_id) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto job = client->GetJob(job_id);
  if (!job.ok()) return job.status();
  v1::ListEventsResponse events;
  if (context.globals.format == Format::kTable) {
    const auto listed = AllEvents(*client, job_id);
    if (!listed.ok()) return listed.status();
    events = *listed;
  }
  return Print(context, *job, [&] { return JobDetails(*job, events, absl::Now()); });
}

}  // namespace

Verb DescribeVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {.name = "describe",
          .summary = "Show everything about a job",
          .description =
              "Its spec, progress and stages, where their time goes, and its latest "
              "events. With -o json or yaml: the job, without events.",
          .example = "pacictl describe tiny-1\npacictl describe tiny-1 -o json | jq .progress",
          .arguments = {JobArgument(job_id.get())},
          .run = [job_id](const Context& context) { return Describe(context, *job_id); }};
}

}  // namespace paci::cli
