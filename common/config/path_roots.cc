#include "common/config/path_roots.h"

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace paci {
namespace {

namespace fs = std::filesystem;

bool IsBelow(const fs::path& path, const fs::path& root) {
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return end == root.end();
}

}  // namespace

absl::Status CheckRoots(const PathRoots& roots) {
  for (const std::string& root : roots) {
    std::error_code error;
    if (fs::is_directory(root, error)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--root ", root, " is no folder", error ? ": " : "", error.message()));
  }
  return absl::OkStatus();
}

absl::Status CheckConfined(absl::string_view what, const std::string& path,
                           const PathRoots& roots) {
  if (roots.empty() || path.empty()) return absl::OkStatus();
  std::error_code error;
  const fs::path led = fs::weakly_canonical(path, error);
  for (const std::string& root : roots) {
    std::error_code gone;
    const fs::path below = fs::canonical(root, gone);
    if (!error && !gone && IsBelow(led, below)) return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat(what, ": ", path,
                   error ? absl::StrCat(" cannot be followed: ", error.message())
                         : absl::StrCat(" leads to ", led.string()),
                   "; this worker reads and writes below ", absl::StrJoin(roots, ", "), " only"));
}

absl::Status CheckConfined(const v1::PrepareStage& command, const PathRoots& roots) {
  const v1::JobSpec& spec = command.spec();
  absl::Status status;
  for (const std::string& path : spec.data().train()) {
    status.Update(CheckConfined("data.train", path, roots));
  }
  status.Update(CheckConfined("data.validation", spec.data().validation(), roots));
  status.Update(CheckConfined("checkpoint.dir", spec.checkpoint().dir(), roots));
  status.Update(
      CheckConfined("the checkpoint to go on from", command.resume_from().directory(), roots));
  return status;
}

}  // namespace paci
