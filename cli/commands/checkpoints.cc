#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/document.h"
#include "cli/format/tables.h"

namespace paci::cli {
namespace {

absl::StatusOr<std::string> Document(const v1::Job& job, Format format) {
  std::vector<std::string> entries;
  for (const v1::Checkpoint& checkpoint : job.checkpoints()) {
    const absl::StatusOr<std::string> entry = ToJsonLine(checkpoint);
    if (!entry.ok()) return entry.status();
    entries.push_back(*entry);
  }
  const std::string json = absl::StrCat("[", absl::StrJoin(entries, ","), "]");
  return format == Format::kYaml ? JsonToYaml(json) : IndentJson(json);
}

absl::Status Checkpoints(const Context& context, const std::string& job_id) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto job = client->GetJob(job_id);
  if (!job.ok()) return job.status();
  if (context.globals.format == Format::kTable) {
    context.streams.out << CheckpointTable(*job, absl::Now());
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> document = Document(*job, context.globals.format);
  if (!document.ok()) return document.status();
  context.streams.out << *document;
  return absl::OkStatus();
}

}  // namespace

Verb CheckpointsVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {.name = "checkpoints",
          .summary = "List the complete checkpoints that a job keeps",
          .description = "The newest last. Paths are as the workers see them.",
          .example = "pacictl checkpoints tiny-1",
          .arguments = {JobArgument(job_id.get())},
          .run = [job_id](const Context& context) { return Checkpoints(context, *job_id); }};
}

}  // namespace paci::cli
