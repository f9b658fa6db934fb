#include "coordinator/job/stage_count.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/config/job_rules.h"
#include "common/config/schedule_config.h"
#include "common/config/spec_over.h"

namespace paci {
namespace {

constexpr char kKey[] = "pipeline.stages";

bool IsAboutStages(const JobRule& rule) {
  return std::find(rule.keys.begin(), rule.keys.end(), kKey) != rule.keys.end();
}

}  // namespace

// Only the rules about the number: a spec of the store was valid when it came.
std::string ProblemOfStages(const v1::JobSpec& spec, uint32_t stages) {
  if (stages == 0) return absl::StrCat(kKey, ": 0 is out of range; expected at least 1");
  if (stages == spec.pipeline().stages()) return "";
  const v1::JobSpec changed = SpecOver(spec, stages);
  for (const JobRule& rule : JobRules()) {
    if (!IsAboutStages(rule)) continue;
    const std::string problem = rule.problem(changed);
    if (!problem.empty()) return absl::StrCat(rule.keys[0], ": ", problem);
  }
  return "";
}

uint32_t LargestCount(const v1::JobSpec& spec, uint64_t most) {
  const uint64_t units = uint64_t{spec.model().layers()} + 2;
  auto stages = static_cast<uint32_t>(std::min(most, units));
  while (stages > 0 && !ProblemOfStages(spec, stages).empty()) --stages;
  return stages;
}

uint32_t WantedStages(const v1::Job& job) {
  return job.wanted_stages() > 0 ? job.wanted_stages() : job.spec().pipeline().stages();
}

uint32_t FewestStages(const v1::JobSpec& spec, uint32_t enough) {
  const uint32_t fewest = spec.recovery().min_stages();
  return fewest > 0 ? std::min(fewest, enough) : enough;
}

std::string CountOfStages(uint32_t count) {
  return absl::StrCat(count, count == 1 ? " stage" : " stages");
}

bool HasCheckpointsOnTheWay(const v1::JobSpec& spec) {
  return ScheduleConfigOf(spec).milestones.checkpoint_every > 0;
}

}  // namespace paci
