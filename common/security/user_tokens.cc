#include "common/security/user_tokens.h"

#include <openssl/sha.h>
#include <sys/random.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);
constexpr int64_t kMaxBytes = 1 << 20;
constexpr size_t kMaxName = 64;
constexpr size_t kHashCharacters = 64;

bool IsHash(absl::string_view text) {
  return text.size() == kHashCharacters &&
         text.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

absl::StatusOr<std::pair<std::string, TokenOwner>> ParseLine(absl::string_view line) {
  const std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (words.size() != 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", words.size(), " words; expected NAME ROLE SHA256"));
  }
  const absl::StatusOr<Role> role = ParseRole(words[1]);
  if (!role.ok()) return role.status();
  if (*role == Role::kWorker) {
    return absl::InvalidArgumentError("workers have certificates, not tokens");
  }
  if (words[0].size() > kMaxName) {
    return absl::InvalidArgumentError(absl::StrCat("has a name of ", words[0].size(),
                                                   " characters; expected at most ", kMaxName));
  }
  if (!IsHash(words[2])) {
    return absl::InvalidArgumentError(
        "has no SHA-256 as its third word; expected 64 characters of 0-9a-f (pacictl token makes "
        "the line)");
  }
  return std::pair(words[2], TokenOwner{words[0], *role});
}

}  // namespace

absl::StatusOr<TokenOwners> ParseTokens(absl::string_view text) {
  TokenOwners owners;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    auto parsed = ParseLine(line);
    if (!parsed.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " ", parsed.status().message()));
    }
    if (!owners.insert(*std::move(parsed)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", number, " has the token of an earlier line"));
    }
  }
  return owners;
}

std::string HashOfToken(absl::string_view token) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), sizeof(digest)));
}

std::string MakeToken() {
  std::string bytes(32, '\0');
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::WebSafeBase64Escape(bytes);
}

std::string TokenLine(const TokenOwner& owner, absl::string_view token) {
  return absl::StrCat(owner.name, " ", ToString(owner.role), " ", HashOfToken(token));
}

absl::StatusOr<std::unique_ptr<UserTokens>> UserTokens::Open(const std::string& path) {
  std::unique_ptr<UserTokens> file(new UserTokens(path));
  absl::MutexLock lock(&file->mutex_);
  if (absl::Status read = file->Read(); !read.ok()) return read;
  return file;
}

absl::Status UserTokens::Read() {
  const std::optional<FileStamp> stamp = StampOf(path_);
  if (!stamp) {
    return absl::NotFoundError(
        absl::StrCat("the token file ", path_, " cannot be read: ", std::strerror(errno)));
  }
  if (*stamp == stamp_) return absl::OkStatus();
  // Once for each change, whatever comes of it.
  stamp_ = *stamp;
  if (stamp->size > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the token file ", path_, " has ", stamp->size,
                                                   " bytes; expected at most ", kMaxBytes));
  }
  std::ifstream in(path_, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) return absl::NotFoundError(absl::StrCat("the token file ", path_, " cannot be read"));
  absl::StatusOr<TokenOwners> owners = ParseTokens(text);
  if (!owners.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(path_, ": ", owners.status().message()));
  }
  owners_ = *std::move(owners);
  return absl::OkStatus();
}

std::optional<TokenOwner> UserTokens::Find(absl::string_view token, absl::Time now) {
  const std::string hash = HashOfToken(token);
  absl::MutexLock lock(&mutex_);
  if (now >= looked_ + kLookEvery || now < looked_) {
    looked_ = now;
    if (absl::Status read = Read(); !read.ok()) {
      LogError("the token file was changed and cannot be used; what it said before stays in force",
               {{"why", read.ToString()}});
    }
  }
  const auto owner = owners_.find(hash);
  if (owner == owners_.end()) return std::nullopt;
  return owner->second;
}

}  // namespace paci
