#include "worker/data/token_set.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace paci {
namespace {

namespace fs = std::filesystem;

bool IsPattern(const std::string& name) { return name.find_first_of("*?[") != std::string::npos; }

absl::StatusOr<std::vector<std::string>> FilesOf(const fs::path& path) {
  const std::string pattern = path.filename();
  if (!IsPattern(pattern)) return std::vector<std::string>{path};
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::vector<std::string> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0) files.push_back(entry->path());
  }
  if (error) {
    return absl::Status(absl::ErrnoToStatusCode(error.value()),
                        absl::StrCat("the folder of ", path.string(), " cannot be read: ",
                                     error.message(), "; expected one of token files there"));
  }
  if (files.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no file fits ", path.string(), "; expected at least one at this path, on this worker"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TokenSet>> TokenSet::Open(const std::string& path,
                                                         const TokenFormat& format) {
  const absl::StatusOr<std::vector<std::string>> names = FilesOf(path);
  if (!names.ok()) return names.status();
  std::vector<std::unique_ptr<TokenFile>> files;
  for (const std::string& name : *names) {
    absl::StatusOr<std::unique_ptr<TokenFile>> file = TokenFile::Open(name, format);
    if (!file.ok()) return file.status();
    files.push_back(*std::move(file));
  }
  return absl::WrapUnique(new TokenSet(std::move(files)));
}

TokenSet::TokenSet(std::vector<std::unique_ptr<TokenFile>> files) : files_(std::move(files)) {
  for (const auto& file : files_) {
    ends_.push_back((ends_.empty() ? 0 : ends_.back()) + file->sequences());
  }
}

void TokenSet::AddTo(v1::TokenData& data, Checksum& checksum) const {
  data.set_files(data.files() + files_.size());
  for (const auto& file : files_) {
    data.set_tokens(data.tokens() + file->tokens());
    file->AddSample(checksum);
  }
}

absl::Status TokenSet::Read(int64_t sequence, absl::Span<int64_t> out) const {
  const auto file = std::upper_bound(ends_.begin(), ends_.end(), sequence) - ends_.begin();
  return files_[file]->Read(sequence - (file == 0 ? 0 : ends_[file - 1]), out);
}

v1::TokenData Describe(absl::Span<const std::unique_ptr<TokenSet>> sets) {
  v1::TokenData data;
  Checksum checksum;
  for (const auto& set : sets) set->AddTo(data, checksum);
  data.set_checksum(checksum.Text());
  return data;
}

}  // namespace paci
