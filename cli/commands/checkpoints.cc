#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/document.h"
#include "cli/format/escape.h"
#include "cli/format/tables.h"
#include "cli/format/units.h"
#include "common/checkpoint/checkpoint.h"

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

// "the embedding", "block 3", "the head": as the job file counts them.
std::string UnitText(const v1::ModelSpec& model, uint32_t unit) {
  if (unit == 0) return "the embedding";
  return unit > model.layers() ? "the head" : absl::StrCat("block ", unit - 1);
}

absl::Status Verify(const Context& context, const std::string& directory) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(directory);
  if (!manifest.ok()) return manifest.status();
  const auto bad = FindBadFiles(directory);
  if (!bad.ok()) return bad.status();
  std::vector<std::string> errors;
  for (const BadFile& file : *bad) {
    errors.push_back(
        absl::StrCat(UnitText(manifest->spec.model(), file.unit), ": ", file.status.message()));
  }
  if (!errors.empty()) {
    return absl::DataLossError(absl::StrCat(errors.size(), " of ", manifest->files.size(),
                                            " files of this checkpoint are bad\n  ",
                                            absl::StrJoin(errors, "\n  ")));
  }
  uint64_t bytes = 0;
  for (const v1::CheckpointFile& file : manifest->files) bytes += file.size_bytes();
  context.streams.out << EscapeLine(directory) << " is complete: update " << manifest->update
                      << " of job " << EscapeLine(manifest->job_id) << ", generation "
                      << manifest->generation << ", " << manifest->files.size() << " files, "
                      << BytesText(bytes) << "; every checksum is right\n";
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

Verb VerifyCheckpointVerb() {
  const auto directory = std::make_shared<std::string>();
  return {.name = "verify-checkpoint",
          .summary = "Read a checkpoint and compare its checksums",
          .description =
              "Names every layer whose file is damaged or missing. Reads this machine's "
              "files; asks no coordinator.",
          .example = "pacictl verify-checkpoint /runs/tiny-1/update-00000040.g1",
          .arguments = {{.name = "DIRECTORY",
                         .help = "Folder of the checkpoint",
                         .target = directory.get(),
                         .values = Argument::Values::kFile}},
          .run = [directory](const Context& context) { return Verify(context, *directory); }};
}

}  // namespace paci::cli
