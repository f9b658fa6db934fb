#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands/commands.h"
#include "cli/format/document.h"
#include "cli/format/escape.h"
#include "cli/format/units.h"
#include "common/checkpoint/checkpoint.h"
#include "nlohmann/json.hpp"

namespace paci::cli {
namespace {

// "the embedding", "block 3", "the head": as the job file counts them.
std::string UnitText(const v1::ModelSpec& model, uint32_t unit) {
  if (unit == 0) return "the embedding";
  return unit > model.layers() ? "the head" : absl::StrCat("block ", unit - 1);
}

struct Verification {
  std::string directory;
  Manifest manifest;
  std::vector<BadFile> bad;
  uint64_t size_bytes = 0;
};

absl::StatusOr<Verification> Read(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::is_directory(directory, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(directory, " is no folder on this machine; expected that of a checkpoint"));
  }
  absl::StatusOr<Manifest> manifest = ReadManifest(directory);
  // NOT_FOUND is for jobs.
  if (absl::IsNotFound(manifest.status())) {
    return absl::FailedPreconditionError(manifest.status().message());
  }
  if (!manifest.ok()) return manifest.status();
  absl::StatusOr<std::vector<BadFile>> bad = FindBadFiles(directory);
  if (!bad.ok()) return bad.status();
  Verification verification{directory, *std::move(manifest), *std::move(bad)};
  for (const v1::CheckpointFile& file : verification.manifest.files) {
    verification.size_bytes += file.size_bytes();
  }
  return verification;
}

// "block 3: ..."
std::string BadFileText(const Verification& verification, const BadFile& file) {
  return absl::StrCat(UnitText(verification.manifest.spec.model(), file.unit), ": ",
                      file.status.message());
}

// The bytes of paths need not be UTF-8.
std::string VerificationJson(const Verification& verification) {
  const Manifest& manifest = verification.manifest;
  nlohmann::ordered_json json;
  json["directory"] = verification.directory;
  json["job_id"] = manifest.job_id;
  json["update"] = manifest.update;
  json["generation"] = manifest.generation;
  json["files"] = manifest.files.size();
  json["size_bytes"] = verification.size_bytes;
  json["bad_files"] = nlohmann::ordered_json::array();
  for (const BadFile& file : verification.bad) {
    json["bad_files"].push_back({{"unit", file.unit}, {"error", BadFileText(verification, file)}});
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string VerificationText(const Verification& verification) {
  const Manifest& manifest = verification.manifest;
  return absl::StrCat(EscapeLine(verification.directory), " is complete: update ", manifest.update,
                      " of job ", EscapeLine(manifest.job_id), ", generation ", manifest.generation,
                      ", ", manifest.files.size(), " files, ", BytesText(verification.size_bytes),
                      "; every checksum is right\n");
}

absl::Status Verify(const Context& context, const std::string& directory) {
  const absl::StatusOr<Verification> verification = Read(directory);
  if (!verification.ok()) return verification.status();
  if (context.globals.format == Format::kJson) {
    context.streams.out << IndentJson(VerificationJson(*verification));
  } else if (context.globals.format == Format::kYaml) {
    context.streams.out << JsonToYaml(VerificationJson(*verification));
  } else if (verification->bad.empty()) {
    context.streams.out << VerificationText(*verification);
  }
  if (verification->bad.empty()) return absl::OkStatus();
  std::vector<std::string> errors;
  for (const BadFile& file : verification->bad) {
    errors.push_back(BadFileText(*verification, file));
  }
  return absl::DataLossError(
      absl::StrCat(errors.size(), " of ", verification->manifest.files.size(),
                   " files of this checkpoint are bad\n  ", absl::StrJoin(errors, "\n  ")));
}

}  // namespace

Verb VerifyCheckpointVerb() {
  const auto directory = std::make_shared<std::string>();
  return {
      .name = "verify-checkpoint",
      .summary = "Read a checkpoint and compare its checksums",
      .description =
          "Names every layer whose file is damaged or missing, and exits with 1 then. Reads this "
          "machine's files; asks no coordinator. -o json and yaml name what is bad in "
          "bad_files, which is empty if nothing is.",
      .example = "pacictl verify-checkpoint /runs/tiny-1/update-00000040.g1",
      .arguments = {{.name = "DIRECTORY",
                     .help = "Folder of the checkpoint",
                     .target = directory.get(),
                     .values = Argument::Values::kFile}},
      .run = [directory](const Context& context) { return Verify(context, *directory); }};
}

}  // namespace paci::cli
