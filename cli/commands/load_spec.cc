#include "cli/commands/load_spec.h"

#include "common/config/job_file.h"

namespace paci::cli {

std::vector<Argument> SpecArguments(SpecSource* source) {
  return {{.name = "FILE",
           .help = "Job file (YAML)",
           .target = &source->file,
           .values = Argument::Values::kFile},
          {.name = "--set",
           .placeholder = "KEY=VALUE",
           .help = "Overrides a value of the file; may be repeated",
           .target = &source->overrides}};
}

absl::StatusOr<v1::JobSpec> LoadSpec(const SpecSource& source) {
  absl::StatusOr<v1::JobSpec> spec = LoadJobFile(source.file, source.overrides);
  // A file that is not there is a usage error like any other of the file; NOT_FOUND is for jobs.
  if (!spec.ok()) return absl::InvalidArgumentError(spec.status().message());
  return spec;
}

}  // namespace paci::cli
