#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>

namespace paci {

// When and what a file was: a change of either is a change of the file.
struct FileStamp {
  int64_t modified_nanos = 0;
  int64_t inode = 0;
  int64_t size = 0;  // bytes

  bool operator==(const FileStamp&) const = default;
};

// nullopt: errno says why it cannot be had.
inline std::optional<FileStamp> StampOf(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return std::nullopt;
  return FileStamp{found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec,
                   static_cast<int64_t>(found.st_ino), found.st_size};
}

}  // namespace paci
