#include "common/config/job_key.h"

#include "absl/algorithm/container.h"

namespace paci {

bool Range::Contains(double value) const {
  const bool is_above = excludes_min ? value > min : value >= min;
  const bool is_below = excludes_max ? value < max : value <= max;
  return is_above && is_below;
}

absl::string_view JobKey::section() const {
  const size_t dot = path.find('.');
  return dot == absl::string_view::npos ? absl::string_view() : path.substr(0, dot);
}

absl::string_view JobKey::name() const {
  const size_t dot = path.find('.');
  return dot == absl::string_view::npos ? path : path.substr(dot + 1);
}

const JobKey* FindJobKey(absl::string_view path) {
  const absl::Span<const JobKey> keys = JobKeys();
  const auto found = absl::c_find_if(keys, [&](const JobKey& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

bool IsOptionalSection(absl::string_view section) { return section == "emulation"; }

}  // namespace paci
