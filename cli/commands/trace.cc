#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/commands/write_file.h"
#include "cli/format/escape.h"
#include "cli/format/job_trace.h"
#include "cli/quantity.h"

namespace paci::cli {
namespace {

constexpr uint64_t kDefaultUpdates = 2;

// The command line as it was written; empty: not given.
struct TraceArguments {
  std::string job_id;
  std::string updates;
  std::string window;
  std::string file;

  bool to_standard_output() const { return file.empty() || file == "-"; }
};

absl::StatusOr<v1::TraceJobRequest> RequestOf(const TraceArguments& arguments) {
  v1::TraceJobRequest request;
  request.set_job_id(arguments.job_id);
  if (arguments.updates.empty() && arguments.window.empty()) request.set_updates(kDefaultUpdates);
  if (!arguments.updates.empty()) {
    uint64_t updates = 0;
    if (!absl::SimpleAtoi(arguments.updates, &updates) || updates == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--updates: \"", arguments.updates, "\" is not right; expected a whole number above 0"));
    }
    request.set_updates(updates);
  }
  if (!arguments.window.empty()) {
    const absl::StatusOr<double> seconds = ParseLatency("--for", arguments.window);
    if (!seconds.ok()) return seconds.status();
    if (*seconds == 0) return absl::InvalidArgumentError("--for: expected a time above 0");
    request.set_seconds(*seconds);
  }
  return request;
}

absl::StatusOr<JobTrace> Take(const Context& context, const v1::TraceJobRequest& request) {
  // Who cannot be reached, or hangs, is known of before the patience for a whole window is needed.
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto job = client->GetJob(request.job_id());
  if (!job.ok()) return job.status();
  client = Client::Create(context.globals, nullptr, kTraceDeadline);
  if (!client.ok()) return client.status();
  const auto parts = client->CallForAll(&Jobs::TraceJob, request);
  if (absl::IsUnavailable(parts.status())) {
    return absl::UnavailableError(absl::StrCat(
        parts.status().message(), "\nthe trace is lost, the job goes on; ask for another trace"));
  }
  if (!parts.ok()) return parts.status();
  return MakeJobTrace(request.job_id(), *parts);
}

absl::Status Write(const Context& context, const TraceArguments& arguments, const JobTrace& trace) {
  if (arguments.to_standard_output()) {
    context.streams.out << ToChromeTrace(trace);
    return absl::OkStatus();
  }
  const absl::Status written = WriteFile("--file", arguments.file, ToChromeTrace(trace));
  if (!written.ok()) return written;
  context.streams.out << EscapeText(SummaryOf(trace)) << arguments.file
                      << " is for ui.perfetto.dev or chrome://tracing\n";
  return absl::OkStatus();
}

absl::Status Trace(const Context& context, const TraceArguments& arguments) {
  if (!arguments.to_standard_output() && context.globals.format != Format::kTable) {
    return absl::InvalidArgumentError("--file is for -o table");
  }
  const absl::StatusOr<v1::TraceJobRequest> request = RequestOf(arguments);
  if (!request.ok()) return request.status();
  const absl::StatusOr<JobTrace> trace = Take(context, *request);
  if (!trace.ok()) return trace.status();
  const TraceProblems problems = ProblemsOf(*trace);
  if (trace->HasSpans()) {
    const absl::Status written = Write(context, arguments, *trace);
    if (!written.ok()) return written;
  }
  for (const std::string& problem : problems.cut_short) {
    context.streams.err << "pacictl: cut short: " << EscapeLine(problem) << "\n";
  }
  if (!problems.missing.empty()) {
    return absl::AbortedError(absl::StrCat("the trace lacks ", problems.missing.size(), " of ",
                                           trace->stages.size(), " stages\n",
                                           absl::StrJoin(problems.missing, "\n")));
  }
  if (trace->HasSpans()) return absl::OkStatus();
  return absl::AbortedError("no stage did anything in the window, so there is no trace");
}

std::vector<Argument> ArgumentsOf(TraceArguments* to) {
  return {JobArgument(&to->job_id),
          {.name = "--updates",
           .placeholder = "K",
           .help = "Until each stage has finished K updates, at most 1000; 2 if not given",
           .target = &to->updates,
           .rejects_empty = true},
          {.name = "--for",
           .placeholder = "TIME",
           .help = "For so long, such as 5s, at most 60s; with --updates what is over first",
           .target = &to->window,
           .rejects_empty = true},
          {.name = "--file",
           .placeholder = "FILE",
           .help = "Where the trace goes; else, or with -, to standard output",
           .target = &to->file,
           .rejects_empty = true,
           .values = Argument::Values::kFile}};
}

}  // namespace

Verb TraceVerb() {
  const auto arguments = std::make_shared<TraceArguments>();
  return {.name = "trace",
          .summary = "Record what every stage of a running job does, as a Chrome trace",
          .description =
              "Forwards, backwards, updates, waits and transfers of a window that begins now, on "
              "one clock, for ui.perfetto.dev or chrome://tracing. A stage that does not answer is "
              "named, and the others are written; the exit code is 1 then. What the rows are and "
              "how far clocks may be off: docs/timelines.md.",
          .example =
              "pacictl trace tiny-1 --file trace.json\n"
              "pacictl trace tiny-1 --for 500ms > trace.json",
          .arguments = ArgumentsOf(arguments.get()),
          .formats = {Format::kTable, Format::kJson},
          .run = [arguments](const Context& context) { return Trace(context, *arguments); }};
}

}  // namespace paci::cli
