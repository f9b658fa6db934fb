#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checksum/checksum.h"
#include "paci/v1/job.pb.h"

namespace paci {

struct TokenFormat {
  v1::Tokenizer tokenizer = v1::TOKENIZER_BYTES;
  int64_t context = 1;     // tokens a sequence
  int64_t vocabulary = 1;  // ids are below
};

// A file of tokens, memory-mapped and read-only, cut into sequences that do not overlap: sequence i
// is tokens [i * context, (i + 1) * context] with the token that follows it, the last target.
// Thread-safe.
class TokenFile {
 public:
  // Errors name `path` and what would be right: it is missing, a folder, unreadable, empty, half a
  // token too long, or shorter than one sequence.
  static absl::StatusOr<std::unique_ptr<TokenFile>> Open(const std::string& path,
                                                         const TokenFormat& format);
  ~TokenFile();
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;

  int64_t tokens() const { return tokens_; }
  int64_t sequences() const { return (tokens_ - 1) / format_.context; }

  // Adds the file's length and a sample of its bytes: its beginning, its end, and what lies evenly
  // between.
  void AddSample(Checksum& checksum) const;

  // Copies sequence `sequence` to `out`, context + 1 tokens. OUT_OF_RANGE names the position of a
  // token beyond the vocabulary; DATA_LOSS: the file has become shorter.
  absl::Status Read(int64_t sequence, absl::Span<int64_t> out) const;

 private:
  TokenFile(std::string path, const TokenFormat& format, int fd, const void* map, size_t bytes);

  const std::string path_;
  const TokenFormat format_;
  const int fd_;
  const void* const map_;
  const size_t bytes_;
  const int64_t tokens_;
};

}  // namespace paci
