#include "common/checkpoint/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/checkpoint/durable_file.h"
#include "common/checkpoint/mapped_file.h"
#include "common/checkpoint/retention.h"
#include "common/checksum/checksum.h"
#include "common/config/checkpoint_directory.h"
#include "common/config/resumable.h"

namespace paci {
namespace {

namespace fs = std::filesystem;

absl::Status WriteUnitFile(const std::string& directory, uint64_t update, const UnitFile& file,
                           absl::Span<const TensorView> tensors, v1::CheckpointPart& part) {
  const SafetensorsMetadata metadata = {
      {"format", "pt"}, {"unit", absl::StrCat(file.unit)}, {"update", absl::StrCat(update)}};
  auto written = WriteSafetensors(directory, UnitFileName(file), tensors, metadata);
  if (!written.ok()) return written.status();
  *part.add_files() = *std::move(written);
  return absl::OkStatus();
}

absl::Status CheckSizes(const std::string& directory, absl::Span<const v1::CheckpointFile> files) {
  for (const v1::CheckpointFile& file : files) {
    const std::string path = absl::StrCat(directory, "/", file.path());
    std::error_code error;
    const uintmax_t size = fs::file_size(path, error);
    if (error) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot commit ", directory, ": ", path, ": ", error.message()));
    }
    if (size != file.size_bytes()) {
      return absl::FailedPreconditionError(absl::StrCat("cannot commit ", directory, ": ", path,
                                                        " has ", size, " bytes; expected the ",
                                                        file.size_bytes(), " that were reported"));
    }
  }
  return absl::OkStatus();
}

Manifest MakeManifest(const v1::JobSpec& spec, const v1::CommitCheckpoint& command) {
  Manifest manifest;
  manifest.job_id = command.key().job_id();
  manifest.generation = command.key().generation();
  manifest.update = command.update();
  manifest.micro_batches = command.update() * spec.pipeline().accumulation();
  manifest.tokens = manifest.micro_batches * spec.pipeline().micro_batch() * spec.model().context();
  manifest.spec = spec;
  manifest.files.assign(command.files().begin(), command.files().end());
  return manifest;
}

absl::Status WriteManifest(const std::string& directory, const Manifest& manifest) {
  const absl::StatusOr<std::string> json = FormatManifest(manifest);
  if (!json.ok()) return json.status();
  auto file = DurableFile::Create(directory, std::string(kManifestName));
  if (!file.ok()) return file.status();
  if (absl::Status written = (*file)->Append(*json); !written.ok()) return written;
  return (*file)->Commit().status();
}

// A complete checkpoint in the folder of a job that no earlier generation of it can have written.
absl::Status CheckOwner(const v1::JobSpec& spec, const v1::StageKey& key,
                        const std::string& folder) {
  for (const CheckpointName& name : CheckpointsOnDisk(spec, key.job_id())) {
    const bool may_be_own = name.generation < key.generation();
    if (may_be_own || !ReadManifest(CheckpointDirectory(spec, key.job_id(), name)).ok()) continue;
    return absl::FailedPreconditionError(
        absl::StrCat(folder, " holds checkpoints of another job that was called ", key.job_id(),
                     ", that of update ", name.update,
                     " among them, and this one would overwrite them; expected "
                     "another checkpoint.dir or name of the job, or the folder moved away"));
  }
  return absl::OkStatus();
}

// What attempts that were killed left in the folder of a checkpoint that is complete now.
void RemovePartialFiles(const std::string& directory) {
  std::error_code error;
  for (fs::directory_iterator i(directory, error), end; !error && i != end; i.increment(error)) {
    std::error_code ignored;
    if (IsPartialName(i->path().filename().string())) fs::remove(i->path(), ignored);
  }
}

absl::Status VerifyFile(const std::string& path, const v1::CheckpointFile& expected) {
  const auto file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  Checksum checksum;
  checksum.Add((*file)->bytes());
  if ((*file)->bytes().size() == expected.size_bytes() && checksum.Text() == expected.checksum()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat(path, " is damaged: it has ", (*file)->bytes().size(),
                                          " bytes and checksum ", checksum.Text(),
                                          "; the manifest says ", expected.size_bytes(),
                                          " bytes and ", expected.checksum()));
}

template <typename Predicate>
absl::StatusOr<std::vector<BadFile>> FindBadFilesIf(const std::string& directory,
                                                    const Predicate& is_wanted) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(directory);
  if (!manifest.ok()) return manifest.status();
  std::vector<BadFile> bad;
  for (const v1::CheckpointFile& file : manifest->files) {
    if (!is_wanted(file)) continue;
    absl::Status valid = VerifyFile(absl::StrCat(directory, "/", file.path()), file);
    if (!valid.ok()) bad.push_back({ParseUnitFileName(file.path())->unit, std::move(valid)});
  }
  return bad;
}

template <typename Predicate>
absl::Status VerifyFiles(const std::string& directory, const Predicate& is_wanted) {
  const absl::StatusOr<std::vector<BadFile>> bad = FindBadFilesIf(directory, is_wanted);
  if (!bad.ok()) return bad.status();
  return bad->empty() ? absl::OkStatus() : bad->front().status;
}

bool IsAny(const v1::CheckpointFile& /*file*/) { return true; }

}  // namespace

absl::StatusOr<v1::CheckpointPart> WritePart(const std::string& directory, uint64_t update,
                                             absl::Span<const UnitTensors> units) {
  if (absl::Status made = MakeFolders(directory); !made.ok()) return made;
  if (absl::Status hidden = RemoveFile(directory, kManifestName); !hidden.ok()) return hidden;
  v1::CheckpointPart part;
  part.set_update(update);
  for (const UnitTensors& unit : units) {
    absl::Status written =
        WriteUnitFile(directory, update, {unit.unit, UnitFileKind::kWeights}, unit.weights, part);
    if (written.ok() && !unit.optimizer.empty()) {
      written = WriteUnitFile(directory, update, {unit.unit, UnitFileKind::kOptimizer},
                              unit.optimizer, part);
    }
    if (!written.ok()) {
      RemovePart(directory, part);
      return written;
    }
  }
  return part;
}

void RemovePart(const std::string& directory, const v1::CheckpointPart& part) {
  std::error_code ignored;
  for (const v1::CheckpointFile& file : part.files()) {
    fs::remove(absl::StrCat(directory, "/", file.path()), ignored);
  }
  fs::remove(directory, ignored);  // if it is empty now
}

absl::Status CommitManifest(const v1::JobSpec& spec, const v1::CommitCheckpoint& command) {
  const CheckpointName name = {command.update(), command.key().generation()};
  const std::string directory = CheckpointDirectory(spec, command.key().job_id(), name);
  const Manifest manifest = MakeManifest(spec, command);
  if (absl::Status named = CheckFiles(spec, manifest.files); !named.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot commit ", directory, ": ", named.message()));
  }
  if (absl::Status sizes = CheckSizes(directory, manifest.files); !sizes.ok()) return sizes;
  if (absl::Status written = WriteManifest(directory, manifest); !written.ok()) return written;
  RemovePartialFiles(directory);
  std::optional<CheckpointName> best;
  if (command.has_best()) best = {command.best().update(), command.best().generation()};
  ApplyRetention(spec, command.key().job_id(), name, best);
  return absl::OkStatus();
}

absl::Status TryFolder(const v1::JobSpec& spec, const v1::StageKey& key) {
  const std::string folder = absl::StrCat(spec.checkpoint().dir(), "/", key.job_id());
  if (absl::Status own = CheckOwner(spec, key, folder); !own.ok()) return own;
  if (absl::Status made = MakeFolders(folder); !made.ok()) return made;
  // Gone again with the object.
  absl::StatusOr<std::unique_ptr<DurableFile>> tried = DurableFile::Create(folder, "tried");
  return tried.ok() ? (*tried)->Append("tried") : tried.status();
}

absl::Status CheckResumable(const v1::JobSpec& spec, const v1::Checkpoint& checkpoint) {
  const absl::StatusOr<Manifest> manifest = ReadManifest(checkpoint.directory());
  if (!manifest.ok()) return manifest.status();
  absl::Status fits = checkpoint.update() == 0 ? CheckSameModel(spec, manifest->spec)
                                               : CheckResumableBy(spec, manifest->spec);
  if (manifest->update != checkpoint.update()) {
    fits = absl::FailedPreconditionError(
        absl::StrCat("its update is ", manifest->update, "; the job's is ", checkpoint.update()));
  }
  if (fits.ok()) return fits;
  return absl::FailedPreconditionError(
      absl::StrCat("cannot go on from ", checkpoint.directory(), ": ", fits.message()));
}

absl::StatusOr<std::vector<BadFile>> FindBadFiles(const std::string& directory) {
  return FindBadFilesIf(directory, IsAny);
}

absl::Status VerifyCheckpoint(const std::string& directory) {
  return VerifyFiles(directory, IsAny);
}

absl::Status VerifyWeights(const std::string& directory) {
  return VerifyFiles(directory, [](const v1::CheckpointFile& file) {
    const std::optional<UnitFile> unit_file = ParseUnitFileName(file.path());
    return unit_file && unit_file->kind == UnitFileKind::kWeights;
  });
}

absl::Status VerifyUnits(const std::string& directory,
                         const google::protobuf::RepeatedPtrField<v1::UnitRange>& units) {
  return VerifyFiles(directory, [&](const v1::CheckpointFile& file) {
    const std::optional<UnitFile> unit_file = ParseUnitFileName(file.path());
    return unit_file && std::any_of(units.begin(), units.end(), [&](const v1::UnitRange& range) {
             return range.first_unit() <= unit_file->unit && unit_file->unit < range.end_unit();
           });
  });
}

absl::StatusOr<SafetensorsFile> OpenWeights(const std::string& directory, uint32_t unit) {
  return SafetensorsFile::Open(
      absl::StrCat(directory, "/", UnitFileName({unit, UnitFileKind::kWeights})));
}

absl::StatusOr<SafetensorsFile> OpenOptimizer(const std::string& directory, uint32_t unit) {
  return SafetensorsFile::Open(
      absl::StrCat(directory, "/", UnitFileName({unit, UnitFileKind::kOptimizer})));
}

}  // namespace paci
