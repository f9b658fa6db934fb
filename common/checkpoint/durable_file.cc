#include "common/checkpoint/durable_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr absl::string_view kPartialPrefix = ".partial-";

}  // namespace

absl::StatusOr<std::unique_ptr<DurableFile>> DurableFile::Create(const std::string& directory,
                                                                 const std::string& name) {
  // A name of its own: two attempts at one file, on two machines even, do not mix their bytes.
  std::random_device random;
  const uint64_t unique = uint64_t{random()} << 32 | random();
  std::string partial_path =
      absl::StrCat(directory, "/", kPartialPrefix, name, "-", absl::Hex(unique));
  const int fd = open(partial_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return FileError("write", absl::StrCat(directory, "/", name), errno);
  return absl::WrapUnique(new DurableFile(directory, name, std::move(partial_path), fd));
}

DurableFile::DurableFile(std::string directory, std::string name, std::string partial_path, int fd)
    : directory_(std::move(directory)),
      name_(std::move(name)),
      partial_path_(std::move(partial_path)),
      fd_(fd) {}

DurableFile::~DurableFile() {
  if (fd_ >= 0) close(fd_);
  if (!partial_path_.empty()) unlink(partial_path_.c_str());
}

absl::Status DurableFile::Append(absl::Span<const std::byte> bytes) {
  checksum_.Add(bytes);
  size_bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status DurableFile::Append(absl::string_view text) {
  return Append(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(text.data()), text.size()));
}

absl::StatusOr<v1::CheckpointFile> DurableFile::Commit() {
  if (fsync(fd_) != 0) return Error();
  if (close(std::exchange(fd_, -1)) != 0) return Error();
  const std::string path = absl::StrCat(directory_, "/", name_);
  if (rename(partial_path_.c_str(), path.c_str()) != 0) return Error();
  partial_path_.clear();
  if (absl::Status synced = SyncFolder(directory_); !synced.ok()) return synced;
  v1::CheckpointFile file;
  file.set_path(name_);
  file.set_size_bytes(size_bytes_);
  file.set_checksum(checksum_.Text());
  return file;
}

absl::Status DurableFile::Error() const {
  return FileError("write", absl::StrCat(directory_, "/", name_), errno);
}

bool IsPartialName(absl::string_view name) { return absl::StartsWith(name, kPartialPrefix); }

absl::Status MakeFolders(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || std::filesystem::is_directory(path, ignored)) return absl::OkStatus();
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  if (absl::Status made = MakeFolders(parent); !made.ok()) return made;
  if (mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) return FileError("make", path, errno);
  return SyncFolder(parent.empty() ? "." : parent);
}

absl::Status SyncFolder(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError("open", path, errno);
  // EINVAL: this file system has no such thing.
  const int error = fsync(fd) != 0 && errno != EINVAL ? errno : 0;
  close(fd);
  return error == 0 ? absl::OkStatus() : FileError("write", path, error);
}

absl::Status RemoveFile(const std::string& directory, absl::string_view name) {
  const std::string path = absl::StrCat(directory, "/", name);
  if (unlink(path.c_str()) == 0) return SyncFolder(directory);
  return errno == ENOENT ? absl::OkStatus() : FileError("remove", path, errno);
}

absl::Status FileError(absl::string_view verb, absl::string_view path, int error) {
  return absl::Status(absl::ErrnoToStatusCode(error),
                      absl::StrCat("cannot ", verb, " ", path, ": ", strerror(error)));
}

}  // namespace paci
