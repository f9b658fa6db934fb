#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace paci {

// The right to use a file that one process at a time may use: a lock on `path`, a file of its own
// that holds the process id. The kernel lets go of it when the process ends, however it ends.
class FileLock {
 public:
  // FAILED_PRECONDITION: another process has it, and which. Other codes: the file cannot be made.
  static absl::StatusOr<FileLock> Take(const std::string& path);

  FileLock(FileLock&& other) noexcept : descriptor_(other.descriptor_) { other.descriptor_ = -1; }
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace paci
