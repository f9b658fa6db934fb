#include <memory>
#include <optional>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/load_spec.h"
#include "cli/commands/print.h"
#include "cli/commands/resume_point.h"
#include "cli/commands/watch_command.h"
#include "cli/format/escape.h"
#include "cli/format/job_details.h"

namespace paci::cli {
namespace {

// A coordinator that is being restarted is back within this.
constexpr absl::Duration kSubmitPatience = absl::Seconds(3);

struct SubmitOptions {
  SpecSource source;
  std::string resume_from;
  bool watch = false;
};

// 128 random bits: a submit that is sent again makes no second job.
std::string NewRequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) id += absl::StrFormat("%08x", random());
  return id;
}

absl::Status Submit(const Context& context, const SubmitOptions& options) {
  const absl::StatusOr<v1::JobSpec> spec = LoadSpec(options.source);
  if (!spec.ok()) return spec.status();
  v1::SubmitJobRequest request;
  *request.mutable_spec() = *spec;
  request.set_request_id(NewRequestId());

  std::optional<Interrupt> interrupt;
  if (options.watch) interrupt.emplace();
  absl::StatusOr<Client> client =
      Client::Create(context.globals, interrupt.has_value() ? &*interrupt : nullptr);
  if (!client.ok()) return client.status();
  if (!options.resume_from.empty()) {
    const auto point = FindResumePoint(options.resume_from, *client);
    if (!point.ok()) return point.status();
    *request.mutable_resume_from() = *point;
  }
  const auto job = client->CallPatiently(&Jobs::SubmitJob, request, kSubmitPatience);
  if (!job.ok()) return job.status();

  const bool is_table = context.globals.format == Format::kTable;
  if (!options.watch) {
    return Print(context, *job, [&] {
      return absl::StrCat("job ", EscapeLine(job->id()),
                          " is submitted; to follow it: pacictl watch ", EscapeLine(job->id()),
                          "\n", AccumulationText(job->spec()), "\n");
    });
  }
  if (is_table) {
    context.streams.out << "job " << EscapeLine(job->id())
                        << " is submitted; Ctrl-C stops watching, not the job" << std::endl;
  }
  return Watch(context, job->id(), *client, *interrupt);
}

}  // namespace

Verb SubmitVerb() {
  const auto options = std::make_shared<SubmitOptions>();
  std::vector<Argument> arguments = SpecArguments(&options->source);
  arguments.push_back({.name = "--resume-from",
                       .placeholder = "CHECKPOINT",
                       .help = "Begin with its weights and optimizer state, at its update: JOB "
                               "(the newest), JOB@best (by validation loss), JOB@UPDATE, or a "
                               "folder as the workers see it, with a slash in its name",
                       .target = &options->resume_from,
                       .rejects_empty = true});
  arguments.push_back({.name = "--watch",
                       .help = "Then watch the job until it ends; Ctrl-C stops watching, not the "
                               "job",
                       .target = &options->watch});
  return {.name = "submit",
          .summary = "Submit the job that a file describes",
          .description =
              "The job waits until there are workers for all of its stages. A "
              "coordinator that is just restarting is tried again; the job is "
              "submitted once.",
          .example =
              "pacictl submit job.yaml\n"
              "pacictl submit job.yaml --set train.updates=300 --set optimizer.lr=3e-4 "
              "--watch\n"
              "pacictl submit job.yaml --set train.updates=600 --resume-from tiny-1",
          .arguments = std::move(arguments),
          .run = [options](const Context& context) { return Submit(context, *options); }};
}

}  // namespace paci::cli
