#include "common/checkpoint/part_snapshot.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"

namespace paci {

absl::StatusOr<v1::CheckpointPart> PartSnapshot::Write(const std::string& directory,
                                                       uint64_t settled_update) {
  RemoveGivenUp(settled_update);
  absl::StatusOr<v1::CheckpointPart> part = WritePart(directory, copy_.update(), copy_.units());
  if (part.ok()) written_.push_back({directory, *part});
  return part;
}

void PartSnapshot::RemoveGivenUp(uint64_t settled_update) {
  std::vector<Written> open;
  for (Written& written : written_) {
    std::error_code ignored;
    if (written.part.update() > settled_update) {
      open.push_back(std::move(written));
    } else if (!std::filesystem::exists(absl::StrCat(written.directory, "/", kManifestName),
                                        ignored)) {
      RemovePart(written.directory, written.part);
    }
  }
  written_ = std::move(open);
}

}  // namespace paci
