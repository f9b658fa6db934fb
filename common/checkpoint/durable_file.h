#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/checksum/checksum.h"
#include "paci/v1/worker.pb.h"

namespace paci {

// A file that appears under its name whole and durable, or not at all: it is written under another
// name beside, synced, renamed, and its folder synced. Errors name the path and what the system
// said. Single-threaded.
class DurableFile {
 public:
  static absl::StatusOr<std::unique_ptr<DurableFile>> Create(const std::string& directory,
                                                             const std::string& name);
  // Without a Commit that was OK, nothing remains.
  ~DurableFile();
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  absl::Status Append(absl::Span<const std::byte> bytes);
  absl::Status Append(absl::string_view text);
  absl::StatusOr<v1::CheckpointFile> Commit();

 private:
  DurableFile(std::string directory, std::string name, std::string partial_path, int fd);

  absl::Status Error() const;  // of the system call that just failed

  const std::string directory_;
  const std::string name_;
  std::string partial_path_;  // empty: renamed
  int fd_;                    // -1: closed
  uint64_t size_bytes_ = 0;
  Checksum checksum_;
};

// Whether a crash left a file of this name: no longer part of anything.
bool IsPartialName(absl::string_view name);

// Makes `path` and what is missing above it, durably.
absl::Status MakeFolders(const std::string& path);
// Makes changes of the folder's entries durable.
absl::Status SyncFolder(const std::string& path);
// Durably. OK if there was none.
absl::Status RemoveFile(const std::string& directory, absl::string_view name);

// What the system said about `path`: "cannot write /a/b: No space left on device".
absl::Status FileError(absl::string_view verb, absl::string_view path, int error);

}  // namespace paci
