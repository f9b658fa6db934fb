#include "worker/data/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

int64_t TokenBytes(v1::Tokenizer tokenizer) {
  switch (tokenizer) {
    case v1::TOKENIZER_UINT16:
      return 2;
    case v1::TOKENIZER_UINT32:
      return 4;
    default:
      return 1;
  }
}

absl::Status SystemError(const std::string& path, absl::string_view expected) {
  return absl::Status(absl::ErrnoToStatusCode(errno),
                      absl::StrCat(path, " cannot be read: ", strerror(errno), "; ", expected));
}

absl::Status CheckSize(const std::string& path, const TokenFormat& format, int64_t bytes) {
  const int64_t token_bytes = TokenBytes(format.tokenizer);
  if (bytes == 0) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is empty; expected tokens, at least ",
                                                   format.context + 1, " (context + 1)"));
  }
  if (bytes % token_bytes != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", bytes, " bytes; expected a multiple of ", token_bytes,
                     ", the bytes of a token with tokenizer uint", 8 * token_bytes));
  }
  if (bytes / token_bytes < format.context + 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, " has ", bytes / token_bytes, " tokens, fewer than one sequence; expected at least ",
        format.context + 1, " (context + 1)"));
  }
  return absl::OkStatus();
}

// Ids are little-endian in the file, whatever this machine is.
void Widen(const uint8_t* from, v1::Tokenizer tokenizer, absl::Span<int64_t> out) {
  const int64_t bytes = TokenBytes(tokenizer);
  for (int64_t& id : out) {
    id = 0;
    for (int64_t i = 0; i < bytes; ++i) id |= int64_t{*from++} << 8 * i;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenFile>> TokenFile::Open(const std::string& path,
                                                           const TokenFormat& format) {
  // O_NONBLOCK: the open of a named pipe that nobody writes does not wait.
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return SystemError(path, "expected a file of tokens at this path, on this worker");
  absl::Cleanup closer = [&] { close(fd); };
  struct stat info {};
  if (fstat(fd, &info) != 0) return SystemError(path, "expected a file of tokens");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        S_ISDIR(info.st_mode)
            ? absl::StrCat(path,
                           " is a folder; expected a file of tokens, or a pattern for its "
                           "files, such as ",
                           path, "/*.bin")
            : absl::StrCat(path, " is not a regular file; expected a file of tokens"));
  }
  if (absl::Status size = CheckSize(path, format, info.st_size); !size.ok()) return size;
  const size_t bytes = static_cast<size_t>(info.st_size);
  const void* map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (map == MAP_FAILED) return SystemError(path, "expected a file that can be memory-mapped");
  std::move(closer).Cancel();
  return absl::WrapUnique(new TokenFile(path, format, fd, map, bytes));
}

TokenFile::TokenFile(std::string path, const TokenFormat& format, int fd, const void* map,
                     size_t bytes)
    : path_(std::move(path)),
      format_(format),
      fd_(fd),
      map_(map),
      bytes_(bytes),
      tokens_(static_cast<int64_t>(bytes) / TokenBytes(format.tokenizer)) {}

TokenFile::~TokenFile() {
  munmap(const_cast<void*>(map_), bytes_);
  close(fd_);
}

void TokenFile::AddSample(Checksum& checksum) const {
  constexpr size_t kPieces = 16;
  constexpr size_t kPieceBytes = 4096;
  const auto bytes = absl::MakeConstSpan(static_cast<const std::byte*>(map_), bytes_);
  checksum.Add(absl::MakeConstSpan(reinterpret_cast<const std::byte*>(&bytes_), sizeof(bytes_)));
  if (bytes_ <= kPieces * kPieceBytes) return checksum.Add(bytes);
  const size_t last = bytes_ - kPieceBytes;
  for (size_t i = 0; i < kPieces; ++i) {
    checksum.Add(bytes.subspan(last / (kPieces - 1) * i, kPieceBytes));
  }
}

absl::Status TokenFile::Read(int64_t sequence, absl::Span<int64_t> out) const {
  // Touching a page beyond the end of a file that was cut would end the process.
  struct stat info {};
  if (fstat(fd_, &info) != 0) return SystemError(path_, "expected a file of tokens");
  if (static_cast<size_t>(info.st_size) < bytes_) {
    return absl::DataLossError(absl::StrCat(path_, " has shrunk from ", bytes_, " to ",
                                            info.st_size, " bytes while the job reads it"));
  }
  const int64_t first = sequence * format_.context;
  Widen(static_cast<const uint8_t*>(map_) + first * TokenBytes(format_.tokenizer),
        format_.tokenizer, out);
  const auto is_beyond = [this](int64_t token) { return token >= format_.vocabulary; };
  const auto bad = std::find_if(out.begin(), out.end(), is_beyond);
  if (bad == out.end()) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("token ", first + (bad - out.begin()), " of ", path_, " is ", *bad,
                   "; expected ids below model.vocabulary, which is ", format_.vocabulary));
}

}  // namespace paci
