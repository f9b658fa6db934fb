#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
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
  std::string prompt_tokens;
  uint32_t max_tokens = 200;
  double temperature = 0.8;
  uint32_t top_k = 0;
  double top_p = 0;
  uint64_t seed = 0;
  bool from_best = false;
};

// "12,7,256"
absl::Status SetTokens(const std::string& text, v1::GenerateRequest& request) {
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    uint32_t token = 0;
    if (!absl::SimpleAtoi(word, &token)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--prompt-tokens: \"", word, "\" is no token id; expected ids with commas between"));
    }
    request.add_prompt_tokens(token);
  }
  return absl::OkStatus();
}

std::string GeneratedText(const GenerateOptions& options, const v1::GenerateResponse& generated) {
  if (!options.prompt_tokens.empty()) {
    return absl::StrCat(options.prompt_tokens, ",", absl::StrJoin(generated.tokens(), ","), "\n");
  }
  return EscapeText(options.prompt + generated.text()) + "\n";
}

absl::Status Generate(const Context& context, const GenerateOptions& options) {
  if (!options.prompt.empty() && !options.prompt_tokens.empty()) {
    return absl::InvalidArgumentError("expected one of --prompt and --prompt-tokens, not both");
  }
  absl::StatusOr<Client> client = Client::Create(context.globals, nullptr, kGenerateTimeout);
  if (!client.ok()) return client.status();
  v1::GenerateRequest request;
  request.set_job_id(options.job_id);
  request.set_prompt(options.prompt);
  request.set_max_tokens(options.max_tokens);
  request.set_temperature(options.temperature);
  request.set_seed(options.seed);
  request.set_top_k(options.top_k);
  request.set_top_p(options.top_p);
  request.set_from_best(options.from_best);
  if (!options.prompt_tokens.empty()) {
    if (absl::Status set = SetTokens(options.prompt_tokens, request); !set.ok()) return set;
  }
  const auto generated = client->Call(&Jobs::Generate, request);
  if (!generated.ok()) return generated.status();
  if (context.globals.format == Format::kRaw) {
    context.streams.out << generated->text();
    return absl::OkStatus();
  }
  return Print(context, *generated, [&] { return GeneratedText(options, *generated); });
}

}  // namespace

Verb GenerateVerb() {
  const auto options = std::make_shared<GenerateOptions>();
  return {
      .name = "generate",
      .summary = "Let a job's newest checkpoint, or its best, continue a text",
      .description =
          "A worker of the cluster does it, an idle one if there is. A prompt of letters needs a "
          "job whose tokenizer is bytes; one of token ids (./run data encode makes them) takes "
          "any, and is answered in ids. The prompt is printed before what follows it; bytes "
          "that are not UTF-8 are shown as \\xNN. -o raw prints the model's bytes alone, as "
          "they are; -o json has them in base64.",
      .example =
          "pacictl generate tiny-1 --prompt 'In the beginning'\n"
          "pacictl generate tiny-1 --prompt 'And God said' --temperature 0 "
          "--max-tokens 80 -o raw",
      .arguments = {JobArgument(&options->job_id),
                    {.name = "--prompt",
                     .placeholder = "TEXT",
                     .help = "What to continue; if not given, what follows a line's end",
                     .target = &options->prompt},
                    {.name = "--prompt-tokens",
                     .placeholder = "ID,ID",
                     .help = "The same as token ids",
                     .target = &options->prompt_tokens},
                    {.name = "--max-tokens",
                     .placeholder = "N",
                     .help = "Tokens to make, 1 to 4096; 200 if not given",
                     .target = &options->max_tokens},
                    {.name = "--temperature",
                     .placeholder = "T",
                     .help = "0: always the likeliest token; 0.8 if not given",
                     .target = &options->temperature},
                    {.name = "--top-k",
                     .placeholder = "K",
                     .help = "Draw among the K likeliest tokens; all if not given",
                     .target = &options->top_k},
                    {.name = "--top-p",
                     .placeholder = "P",
                     .help = "Draw among the fewest of the likeliest tokens that have P of the "
                             "probability, 0 to 1; all if not given",
                     .target = &options->top_p},
                    {.name = "--seed",
                     .placeholder = "S",
                     .help = "The same seed gives the same text; 0 if not given",
                     .target = &options->seed},
                    {.name = "--best",
                     .help = "By the checkpoint with the least validation loss, not the newest",
                     .target = &options->from_best}},
      .formats = {Format::kTable, Format::kRaw, Format::kJson, Format::kYaml},
      .run = [options](const Context& context) { return Generate(context, *options); }};
}

}  // namespace paci::cli
