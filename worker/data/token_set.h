#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/checksum/checksum.h"
#include "paci/v1/job.pb.h"
#include "worker/data/token_file.h"

namespace paci {

// The sequences of one token file, or of all files that a pattern names (shards), one file after
// the other in the order of their names. No sequence goes over the end of a file. Thread-safe.
class TokenSet {
 public:
  // In the last component of `path`, *, ? and [...] stand for what they do in a shell; a pattern
  // takes no name that begins with a dot. Errors are those of TokenFile, and NOT_FOUND where a
  // pattern fits nothing.
  static absl::StatusOr<std::unique_ptr<TokenSet>> Open(const std::string& path,
                                                        const TokenFormat& format);

  int64_t sequences() const { return ends_.back(); }
  // Adds the set's files to `data` and `checksum`.
  void AddTo(v1::TokenData& data, Checksum& checksum) const;
  // As TokenFile::Read.
  absl::Status Read(int64_t sequence, absl::Span<int64_t> out) const;

 private:
  explicit TokenSet(std::vector<std::unique_ptr<TokenFile>> files);

  const std::vector<std::unique_ptr<TokenFile>> files_;
  std::vector<int64_t> ends_;  // by file: sequences up to its end
};

// What the sets are, in their order: two workers whose sets differ in the length of a file, or
// anywhere in a sample of about 64 KiB of each, have different checksums.
v1::TokenData Describe(absl::Span<const std::unique_ptr<TokenSet>> sets);

}  // namespace paci
