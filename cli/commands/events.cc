#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/history.h"
#include "cli/commands/print.h"
#include "cli/format/document.h"
#include "cli/format/names.h"
#include "cli/format/tables.h"
#include "cli/watch/follow_job.h"

namespace paci::cli {
namespace {

constexpr absl::Duration kPollInterval = absl::Seconds(1);

struct EventsOptions {
  std::string job_id;
  bool follow = false;
};

absl::Status PrintFollowed(const Context& context, const v1::Event& event) {
  if (context.globals.format == Format::kTable) {
    context.streams.out << EventLine(event) << std::flush;
    return absl::OkStatus();
  }
  const bool is_yaml = context.globals.format == Format::kYaml;
  const absl::StatusOr<std::string> document = is_yaml ? ToYaml(event) : ToJsonLine(event);
  if (!document.ok()) return document.status();
  context.streams.out << (is_yaml ? "---\n" : "") << *document << std::flush;
  return absl::OkStatus();
}

// Until the job has ended and its last event is printed.
absl::Status Follow(const Context& context, const std::string& job_id) {
  Interrupt interrupt;
  absl::StatusOr<Client> client = Client::Create(context.globals, &interrupt);
  if (!client.ok()) return client.status();
  v1::GetJobRequest get;
  get.set_job_id(job_id);
  uint64_t printed_sequence = 0;
  absl::StatusOr<v1::Job> job = client->Call(&Jobs::GetJob, get);
  while (true) {
    // The state is older than the events: a job that has ended gets no more of them.
    absl::StatusOr<v1::ListEventsResponse> events =
        job.ok() ? AllEvents(*client, job_id, printed_sequence, kReconnectPatience) : job.status();
    if (interrupt.caught()) return StoppedWatching(job_id);
    if (!events.ok()) return events.status();
    for (const v1::Event& event : events->events()) {
      if (const absl::Status printed = PrintFollowed(context, event); !printed.ok()) return printed;
      printed_sequence = event.sequence();
    }
    if (HasEnded(job->state())) return absl::OkStatus();
    if (interrupt.WaitFor(kPollInterval)) return StoppedWatching(job_id);
    job = client->CallPatiently(&Jobs::GetJob, get, kReconnectPatience);
  }
}

absl::Status Events(const Context& context, const EventsOptions& options) {
  if (options.follow) return Follow(context, options.job_id);
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto events = AllEvents(*client, options.job_id);
  if (!events.ok()) return events.status();
  return Print(context, *events, [&] { return EventTable(events->events()); });
}

}  // namespace

Verb EventsVerb() {
  const auto options = std::make_shared<EventsOptions>();
  return {.name = "events",
          .summary = "Show what happened to a job, and why",
          .description = "",
          .example = "pacictl events tiny-1\npacictl events tiny-1 --follow -o json",
          .arguments = {JobArgument(&options->job_id),
                        {.name = "--follow",
                         .help = "Print new events as they come, until the job ends; with -o json "
                                 "one a line",
                         .target = &options->follow}},
          .run = [options](const Context& context) { return Events(context, *options); }};
}

}  // namespace paci::cli
