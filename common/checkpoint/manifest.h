#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "paci/v1/worker.pb.h"

namespace paci {

inline constexpr absl::string_view kManifestName = "manifest.json";

// What a complete checkpoint says of itself.
struct Manifest {
  std::string job_id;
  uint64_t generation = 0;  // that wrote it
  uint64_t update = 0;      // weights are those after so many updates
  v1::JobSpec spec;
  std::vector<v1::CheckpointFile> files;  // paths are plain file names
  // What the run has consumed of its data, and so the first it has not.
  uint64_t micro_batches = 0;
  uint64_t tokens = 0;
};

// NOT_FOUND: `directory` is no complete checkpoint. DATA_LOSS: its manifest is damaged; says how.
absl::StatusOr<Manifest> ReadManifest(const std::string& directory);

// INVALID_ARGUMENT: a text in it is not UTF-8.
absl::StatusOr<std::string> FormatManifest(const Manifest& manifest);
// `path` is for the errors.
absl::StatusOr<Manifest> ParseManifest(absl::string_view json, absl::string_view path);

// The name of a unit's file. A name in a manifest or a command is one of these or an error, so that
// none leads out of the folder.
enum class UnitFileKind { kWeights, kOptimizer };
struct UnitFile {
  uint32_t unit = 0;
  UnitFileKind kind = UnitFileKind::kWeights;
};
std::string UnitFileName(const UnitFile& file);
std::optional<UnitFile> ParseUnitFileName(absl::string_view name);

// OK if every unit 0..layers+1 has its weights once, and nothing else is named that is not an
// optimizer's file, once.
absl::Status CheckFiles(const v1::JobSpec& spec, absl::Span<const v1::CheckpointFile> files);

}  // namespace paci
