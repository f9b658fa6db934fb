#include "cli/commands/watch_command.h"

#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/watch/follow_job.h"
#include "cli/watch/job_view.h"

namespace paci::cli {
namespace {

// Between two changes that are shown: for an eye, and for a log.
constexpr absl::Duration kScreenInterval = absl::Milliseconds(500);
constexpr absl::Duration kLogInterval = absl::Seconds(2);

absl::Status WatchJob(const Context& context, const std::string& job_id) {
  Interrupt interrupt;
  absl::StatusOr<Client> client = Client::Create(context.globals, &interrupt);
  if (!client.ok()) return client.status();
  return Watch(context, job_id, *client, interrupt);
}

}  // namespace

absl::Status Watch(const Context& context, const std::string& job_id, Client& client,
                   Interrupt& interrupt) {
  const auto view = MakeJobView(context);
  return FollowJob(job_id, context.streams.out_is_terminal ? kScreenInterval : kLogInterval, client,
                   interrupt, *view);
}

Verb WatchVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {
      .name = "watch",
      .summary = "Show a job live until it ends",
      .description =
          "On a terminal the view is redrawn in place; otherwise each change is a line, with -o "
          "json a document a line. At the end comes a summary. Exits with 0 if the job "
          "completed and with 1 if it failed or was cancelled. Ctrl-C stops watching, not the "
          "job. A coordinator that goes away is waited for, up to a minute.",
      .example = "pacictl watch tiny-1",
      .arguments = {JobArgument(job_id.get())},
      .run = [job_id](const Context& context) { return WatchJob(context, *job_id); }};
}

}  // namespace paci::cli
