#include "common/config/read_file.h"

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/status/status.h"

namespace paci {

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most_bytes,
                                     absl::string_view failure) {
  const auto failed = [&] { return absl::ErrnoToStatus(errno, failure); };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return failed();
  std::string text(most_bytes, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return failed();
  return text;
}

}  // namespace paci
