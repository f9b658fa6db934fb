#include "cli/commands/print.h"

#include "cli/format/document.h"

namespace paci::cli {

absl::Status Print(const Context& context, const google::protobuf::Message& message,
                   const std::function<std::string()>& text) {
  absl::StatusOr<std::string> printed = std::string();
  if (context.globals.format == Format::kJson) {
    printed = ToJson(message);
  } else if (context.globals.format == Format::kYaml) {
    printed = ToYaml(message);
  } else {
    printed = text();
  }
  if (!printed.ok()) return printed.status();
  context.streams.out << *printed;
  return absl::OkStatus();
}

Argument JobArgument(std::string* job_id) {
  return {.name = "JOB", .help = "Id of the job, as list shows it", .target = job_id};
}

}  // namespace paci::cli
