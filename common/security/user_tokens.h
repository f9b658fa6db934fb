#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "common/security/access.h"
#include "common/security/file_stamp.h"

namespace paci {

// Who has a token, and what he may do.
struct TokenOwner {
  std::string name;
  Role role = Role::kView;
};

// Owners by the SHA-256 of their token, in hexadecimal.
using TokenOwners = std::map<std::string, TokenOwner, std::less<>>;

// One owner a line, "NAME ROLE SHA256"; # begins a comment. INVALID_ARGUMENT names the line. The
// tokens themselves are in no file of the coordinator.
absl::StatusOr<TokenOwners> ParseTokens(absl::string_view text);

std::string HashOfToken(absl::string_view token);
// 256 random bits, as text.
std::string MakeToken();
// The line of ParseTokens.
std::string TokenLine(const TokenOwner& owner, absl::string_view token);

// A file of tokens, read again within a second of its change. One that has become unreadable or
// wrong is logged, and what was read before stays in force. Thread-safe.
class UserTokens {
 public:
  static absl::StatusOr<std::unique_ptr<UserTokens>> Open(const std::string& path);

  std::optional<TokenOwner> Find(absl::string_view token, absl::Time now);

 private:
  explicit UserTokens(std::string path) : path_(std::move(path)) {}
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string path_;
  absl::Mutex mutex_;
  TokenOwners owners_ ABSL_GUARDED_BY(mutex_);
  FileStamp stamp_ ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace paci
