#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/load_spec.h"
#include "cli/commands/print.h"
#include "cli/format/job_details.h"

namespace paci::cli {
namespace {

absl::Status Validate(const Context& context, const SpecSource& source) {
  const absl::StatusOr<v1::JobSpec> spec = LoadSpec(source);
  if (!spec.ok()) return spec.status();
  return Print(context, *spec,
               [&] { return absl::StrCat(source.file, " is valid\n\n", SpecDetails(*spec)); });
}

}  // namespace

Verb ValidateVerb() {
  const auto source = std::make_shared<SpecSource>();
  return {.name = "validate",
          .summary = "Check a job file and show the complete job that it describes",
          .description =
              "Asks no coordinator. Every error is named, one a line, with its place in "
              "the file. Whether the data files exist is for the workers to say.",
          .example = "pacictl validate job.yaml --set pipeline.stages=8",
          .arguments = SpecArguments(source.get()),
          .run = [source](const Context& context) { return Validate(context, *source); }};
}

}  // namespace paci::cli
