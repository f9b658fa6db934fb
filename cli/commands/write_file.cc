#include "cli/commands/write_file.h"

#include <cerrno>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace paci::cli {

absl::Status WriteFile(absl::string_view option, const std::string& path, const std::string& text) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  if (file << text && file.flush()) return absl::OkStatus();
  const absl::Status cause = absl::ErrnoToStatus(errno, "");
  return absl::FailedPreconditionError(
      absl::StrCat(option, ": ", path, " cannot be written", cause.message()));
}

}  // namespace paci::cli
