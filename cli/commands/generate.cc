#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/escape.h"

namespace paci::cli {
namespace {

// Longer than the coordinator waits for its worker, so that its error is the one that is shown.
const absl::Duration kGenerateTimeout = kGenerateDeadline + kCallDeadline;

struct GenerateOptions {
  std::string job_id;
  std::string prompt;
  uint32_t max_tokens = 200;
  double temperature = 0.8;
  uint64_t seed = 0;
};

absl::Status Generate(const Context& context, const GenerateOptions& options) {
  absl::StatusOr<Client> client = Client::Create(context.globals, nullptr, kGenerateTimeout);
  if (!client.ok()) return client.status();
  v1::GenerateRequest request;
  request.set_job_id(options.job_id);
  request.set_prompt(options.prompt);
  request.set_max_tokens(options.max_tokens);
  request.set_temperature(options.temperature);
  request.set_seed(options.seed);
  const auto generated = client->Call(&Jobs::Generate, request);
  if (!generated.ok()) return generated.status();
  if (context.globals.format == Format::kRaw) {
    context.streams.out << generated->text();
    return absl::OkStatus();
  }
  return Print(context, *generated,
               [&] { return EscapeText(options.prompt + generated->text()) + "\n"; });
}

}  // namespace

Verb GenerateVerb() {
  const auto options = std::make_shared<GenerateOptions>();
  return {.name = "generate",
          .summary = "Let a job's newest complete checkpoint continue a text",
          .description =
              "A worker of the cluster does it, an idle one if there is. The job's tokenizer must "
              "be bytes. The prompt is printed before what follows it; bytes that are not UTF-8 "
              "are shown as \\xNN. -o raw prints the model's bytes alone, as they are; -o json has "
              "them in base64.",
          .example =
              "pacictl generate tiny-1 --prompt 'In the beginning'\n"
              "pacictl generate tiny-1 --prompt 'And God said' --temperature 0 "
              "--max-tokens 80 -o raw",
          .arguments = {JobArgument(&options->job_id),
                        {.name = "--prompt",
                         .placeholder = "TEXT",
                         .help = "What to continue",
                         .target = &options->prompt,
                         .is_required = true},
                        {.name = "--max-tokens",
                         .placeholder = "N",
                         .help = "Tokens to make, 1 to 4096; 200 if not given",
                         .target = &options->max_tokens},
                        {.name = "--temperature",
                         .placeholder = "T",
                         .help = "0: always the likeliest token; 0.8 if not given",
                         .target = &options->temperature},
                        {.name = "--seed",
                         .placeholder = "S",
                         .help = "The same seed gives the same text; 0 if not given",
                         .target = &options->seed}},
          .formats = {Format::kTable, Format::kRaw, Format::kJson, Format::kYaml},
          .run = [options](const Context& context) { return Generate(context, *options); }};
}

}  // namespace paci::cli
