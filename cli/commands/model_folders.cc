// Verbs that take models from Hugging Face's folders and back.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/commands/commands.h"
#include "cli/commands/print.h"
#include "cli/format/escape.h"
#include "cli/format/units.h"
#include "common/config/checkpoint_directory.h"
#include "common/config/key_value.h"
#include "common/config/model_shape.h"
#include "common/huggingface/model_folder.h"

namespace paci::cli {
namespace {

struct ImportOptions {
  std::string folder;
  std::string into;
  std::string name;
};

// NOT_FOUND is for jobs.
absl::Status OfFiles(const absl::Status& status) {
  return absl::IsNotFound(status) ? absl::FailedPreconditionError(status.message()) : status;
}

std::string RopeKeys(const v1::ModelSpec& model) {
  std::string keys = absl::StrCat("\n  rope_theta: ", PrintNumber(model.rope_theta()));
  if (ScalesRope(model)) {
    absl::StrAppend(&keys, "\n  rope_factor: ", PrintNumber(model.rope_factor()),
                    "\n  rope_low_frequency: ", PrintNumber(model.rope_low_frequency()),
                    "\n  rope_high_frequency: ", PrintNumber(model.rope_high_frequency()),
                    "\n  rope_original_context: ", model.rope_original_context());
  }
  return keys;
}

// The part of a job file that fits the checkpoint.
std::string ModelSection(const v1::ModelSpec& model) {
  const bool is_llama = IsLlama(model);
  return absl::StrCat(
      "model:\n  family: ", is_llama ? "llama" : "gpt2", "\n  layers: ", model.layers(),
      "\n  hidden: ", model.hidden(), "\n  heads: ", model.heads(),
      "\n  kv_heads: ", model.kv_heads(), "\n  ffn_hidden: ", model.ffn_hidden(),
      "\n  context: ", model.context(), "\n  vocabulary: ", model.vocabulary(),
      "\n  norm_epsilon: ", PrintNumber(model.norm_epsilon()), is_llama ? RopeKeys(model) : "",
      model.tied_head() ? "\n  tied_head: true" : "", "\n");
}

absl::Status Import(const Context& context, const ImportOptions& options) {
  const auto manifest = ImportModel(options.folder, options.into, options.name);
  if (!manifest.ok()) return OfFiles(manifest.status());
  const std::string directory =
      CheckpointDirectory(manifest->spec, manifest->job_id, CheckpointName());
  v1::Job job;
  *job.mutable_spec() = manifest->spec;
  job.mutable_resumed_from()->set_directory(directory);
  return Print(context, job, [&] {
    return absl::StrCat("# pacictl submit FILE --resume-from ", EscapeLine(directory),
                        " begins with these weights, for which FILE has\n",
                        ModelSection(manifest->spec.model()));
  });
}

absl::Status Export(const Context& context, const std::string& directory,
                    const std::string& folder) {
  const absl::StatusOr<uint64_t> bytes = ExportModel(directory, folder);
  if (!bytes.ok()) return OfFiles(bytes.status());
  context.streams.out << EscapeLine(folder) << " has config.json and model.safetensors, "
                      << BytesText(*bytes) << "\n";
  return absl::OkStatus();
}

}  // namespace

Verb ImportVerb() {
  const auto options = std::make_shared<ImportOptions>();
  options->name = "imported";
  return {.name = "import",
          .summary = "Make a checkpoint of a model from Hugging Face",
          .description =
              "Reads config.json and the safetensors files of a GPT-2 or a Llama, and writes a "
              "checkpoint of update 0 with which a job can begin, without state of an optimizer. A "
              "job may train a tied head apart, with model.tied_head false. Prints the section "
              "`model` of such a job's file. Reads and writes this machine's files; asks no "
              "coordinator.",
          .example = "pacictl import ~/models/gpt2 /runs --name gpt2",
          .arguments = {{.name = "FOLDER",
                         .help = "Where config.json is",
                         .target = &options->folder,
                         .values = Argument::Values::kFile},
                        {.name = "INTO",
                         .help = "Folder of checkpoints, as checkpoint.dir of a job",
                         .target = &options->into,
                         .values = Argument::Values::kFile},
                        {.name = "--name",
                         .placeholder = "NAME",
                         .help = "Folder in it; else imported",
                         .target = &options->name,
                         .rejects_empty = true}},
          .run = [options](const Context& context) { return Import(context, *options); }};
}

Verb ExportVerb() {
  const auto directory = std::make_shared<std::string>();
  const auto folder = std::make_shared<std::string>();
  return {
      .name = "export",
      .summary = "Make a folder for Hugging Face of a checkpoint",
      .description =
          "Writes config.json and model.safetensors in float32, which transformers and what "
          "reads its folders load. The tokenizer is not in a checkpoint: copy its files beside. "
          "Reads and writes this machine's files; asks no coordinator.",
      .example = "pacictl export /runs/tiny-1/update-00000040.g1 tiny",
      .arguments = {{.name = "CHECKPOINT",
                     .help = "Folder of the checkpoint",
                     .target = directory.get(),
                     .values = Argument::Values::kFile},
                    {.name = "FOLDER",
                     .help = "Where to; made if need be",
                     .target = folder.get(),
                     .values = Argument::Values::kFile}},
      .run = [directory, folder](const Context& context) {
        return Export(context, *directory, *folder);
      }};
}

}  // namespace paci::cli
