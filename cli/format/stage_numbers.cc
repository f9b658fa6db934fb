#include "cli/format/stage_numbers.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/format/units.h"

namespace paci::cli {
namespace {

std::string ChunkText(const v1::UnitRange& chunk, uint32_t layers) {
  std::vector<std::string> parts;
  if (chunk.first_unit() == 0) parts.push_back("embedding");
  const uint32_t first = std::max(chunk.first_unit(), 1u);
  const uint32_t last = std::min(chunk.end_unit(), layers + 1) - 1;
  if (first == last) parts.push_back(absl::StrCat(first));
  if (first < last) parts.push_back(absl::StrCat(first, "-", last));
  if (chunk.end_unit() > layers + 1) parts.push_back("head");
  return absl::StrJoin(parts, ", ");
}

}  // namespace

uint32_t StageCount(const v1::Job& job) {
  if (job.stage_count() > 0) return job.stage_count();
  // Of a coordinator, or a record, of an older version.
  return job.stages().empty() ? WantedStages(job) : static_cast<uint32_t>(job.stages_size());
}

uint32_t WantedStages(const v1::Job& job) {
  return job.wanted_stages() > 0 ? job.wanted_stages() : job.spec().pipeline().stages();
}

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
  std::vector<std::string> chunks;
  for (const v1::UnitRange& chunk : stage.chunks()) chunks.push_back(ChunkText(chunk, layers));
  return chunks.empty() ? "-" : absl::StrJoin(chunks, "; ");
}

std::string BusyText(const v1::StageStatus& stage) {
  return stage.running_seconds() > 0 ? ShareText(BusyShare(stage)) : "-";
}

std::string LagText(const v1::LagStatus& lag) {
  return absl::StrCat(LagMax(lag), "/", lag.bound());
}

}  // namespace paci::cli
