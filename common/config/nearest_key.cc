#include "common/config/nearest_key.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/config/job_key.h"

namespace paci {
namespace {

constexpr size_t kMaxName = 32;   // of a longer one no key is near
constexpr size_t kMinPrefix = 3;  // "vocab" is near "vocabulary", "c" not near "context"

// Of two short words: letters replaced, added, left out, or swapped with the next.
size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        table[i][j] = i + j;
        continue;
      }
      const size_t replaced = table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      table[i][j] = std::min({replaced, table[i - 1][j] + 1, table[i][j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
      }
    }
  }
  return table[a.size()][b.size()];
}

size_t Distance(absl::string_view name, absl::string_view known) {
  const size_t shorter = std::min(name.size(), known.size());
  const bool is_prefix =
      shorter >= kMinPrefix && (absl::StartsWith(name, known) || absl::StartsWith(known, name));
  return is_prefix ? std::min<size_t>(EditDistance(name, known), 1) : EditDistance(name, known);
}

}  // namespace

std::vector<absl::string_view> JobSections() {
  std::vector<absl::string_view> sections;
  for (const JobKey& key : JobKeys()) {
    if (!key.section().empty() && (sections.empty() || sections.back() != key.section())) {
      sections.push_back(key.section());
    }
  }
  return sections;
}

std::string NearestKey(absl::string_view section, absl::string_view name) {
  if (name.size() > kMaxName) return "";
  std::string nearest;
  // A third of the name may be wrong; of a name that is right in another section, nothing.
  size_t least = std::max<size_t>((name.size() + 1) / 3, 1) + 1;
  const auto consider = [&](absl::string_view path, size_t distance) {
    if (distance >= least) return;
    least = distance;
    nearest = std::string(path);
  };
  if (section.empty()) {
    for (const absl::string_view known : JobSections()) consider(known, Distance(name, known));
  }
  for (const JobKey& key : JobKeys()) {
    if (key.section() == section) consider(key.path, Distance(name, key.name()));
  }
  for (const JobKey& key : JobKeys()) {
    if (key.name() == name) consider(key.path, 1);
  }
  return nearest;
}

std::string SuggestKey(absl::string_view section, absl::string_view name) {
  const std::string nearest = NearestKey(section, name);
  if (!nearest.empty()) return absl::StrCat("did you mean ", nearest, "?");
  std::vector<absl::string_view> names;
  for (const JobKey& key : JobKeys()) {
    if (key.section() == section) names.push_back(key.name());
  }
  if (section.empty()) absl::c_copy(JobSections(), std::back_inserter(names));
  return absl::StrCat("expected one of ", absl::StrJoin(names, ", "));
}

}  // namespace paci
