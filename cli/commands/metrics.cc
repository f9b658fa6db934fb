#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/history.h"
#include "cli/commands/print.h"
#include "cli/format/metric_table.h"

namespace paci::cli {
namespace {

absl::Status Metrics(const Context& context, const std::string& job_id) {
  absl::StatusOr<Client> client = Client::Create(context.globals);
  if (!client.ok()) return client.status();
  const auto metrics = AllPoints(*client, job_id);
  if (!metrics.ok()) return metrics.status();
  return Print(context, *metrics, [&] {
    return context.globals.format == Format::kCsv ? MetricCsv(*metrics) : MetricTable(*metrics);
  });
}

}  // namespace

Verb MetricsVerb() {
  const auto job_id = std::make_shared<std::string>();
  return {.name = "metrics",
          .summary = "Show a job's curves: training and validation loss, learning rate",
          .description = "Losses are in nats a token. -o csv is for plotting.",
          .example = "pacictl metrics tiny-1\npacictl metrics tiny-1 -o csv > tiny-1.csv",
          .arguments = {JobArgument(job_id.get())},
          .formats = {Format::kTable, Format::kCsv, Format::kJson, Format::kYaml},
          .run = [job_id](const Context& context) { return Metrics(context, *job_id); }};
}

}  // namespace paci::cli
