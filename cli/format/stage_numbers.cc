#include "cli/format/stage_numbers.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format/units.h"

namespace paci::cli {

double BusyShare(const v1::StageStatus& stage) {
  if (!(stage.running_seconds() > 0)) return 0;
  const v1::ActivitySeconds& activity = stage.activity();
  return (activity.forward() + activity.backward() + activity.weights() + activity.update()) /
         stage.running_seconds();
}

uint64_t LagMax(const v1::LagStatus& lag) {
  for (int k = lag.counts_size() - 1; k > 0; --k) {
    if (lag.counts(k) > 0) return static_cast<uint64_t>(k);
  }
  return 0;
}

double LagMean(const v1::LagStatus& lag) {
  double backwards = 0;
  double sum = 0;
  for (int k = 0; k < lag.counts_size(); ++k) {
    const auto count = static_cast<double>(lag.counts(k));
    backwards += count;
    sum += count * k;
  }
  return backwards > 0 ? sum / backwards : 0;
}

std::string UnitsText(const v1::StageStatus& stage, uint32_t layers) {
  std::vector<std::string> parts;
  if (stage.first_unit() == 0 && stage.end_unit() > 0) parts.push_back("embedding");
  const uint32_t first = std::max(stage.first_unit(), 1u);
  const uint32_t last = std::min(stage.end_unit(), layers + 1) - 1;
  if (stage.end_unit() > 0 && first == last) parts.push_back(absl::StrCat(first));
  if (stage.end_unit() > 0 && first < last) parts.push_back(absl::StrCat(first, "-", last));
  if (stage.end_unit() > layers + 1) parts.push_back("head");
  return parts.empty() ? "-" : absl::StrJoin(parts, ", ");
}

std::string BusyText(const v1::StageStatus& stage) {
  return stage.running_seconds() > 0 ? ShareText(BusyShare(stage)) : "-";
}

std::string LagText(const v1::LagStatus& lag) {
  return absl::StrCat(LagMax(lag), "/", lag.bound());
}

}  // namespace paci::cli
