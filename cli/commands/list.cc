#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/tables.h"

namespace paci::cli {
namespace {

absl::Status List(const Context& context) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto jobs = client->Call(&Jobs::ListJobs, v1::ListJobsRequest());
  if (!jobs.ok()) return jobs.status();
  return Print(context, *jobs, [&]() -> std::string {
    return jobs->jobs().empty() ? "no jobs\n" : JobTable(*jobs, absl::Now());
  });
}

}  // namespace

Verb ListVerb() {
  return {.name = "list",
          .summary = "List the jobs, newest first",
          .description = "",
          .example = "pacictl list\npacictl list -o json | jq -r '.jobs[].id'",
          .run = List};
}

}  // namespace paci::cli
