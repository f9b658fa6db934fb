#include "coordinator/job/reshape.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/text/short_duration.h"
#include "coordinator/job/recovery.h"
#include "coordinator/job/stage_count.h"

namespace paci {
namespace {

constexpr char kAsAllowed[] = ", as recovery.min_stages allows, until workers return";

std::string ReasonOf(const v1::Job& job, uint32_t before, uint32_t after,
                     const std::vector<LeavingStage>& leaving) {
  const uint32_t wanted = WantedStages(job);
  std::vector<std::string> why;
  for (const LeavingStage& stage : leaving) {
    why.push_back(absl::StrCat("worker ", stage.worker, " of stage ", stage.stage, " leaves (",
                               stage.why, ")"));
  }
  if (after > before) {
    why.push_back(
        absl::StrCat("the workers for the ", wanted, " stages that are wanted are there"));
  } else if (after < before && after == wanted) {
    why.push_back(
        absl::StrCat("only ", CountOfStages(wanted), wanted == 1 ? " is wanted" : " are wanted"));
  }
  return absl::StrCat(absl::StrJoin(why, "; "), "; from ", PlaceToRestart(job),
                      ", it goes on over ", CountOfStages(after),
                      after == before ? ", on other workers" : absl::StrCat(" instead of ", before),
                      after < before && after < wanted ? kAsAllowed : "");
}

}  // namespace

std::optional<ReshapeDecision> DecideReshape(const v1::Job& job, uint32_t stages,
                                             const std::vector<LeavingStage>& leaving,
                                             size_t free) {
  if (job.checkpoints().empty() ||
      job.checkpoints().rbegin()->update() >= job.spec().train().updates()) {
    return std::nullopt;
  }
  const uint32_t wanted = WantedStages(job);
  const uint64_t at_hand = stages - leaving.size() + free;
  uint32_t after = wanted;
  if (at_hand >= wanted) {
    if (stages == wanted && leaving.empty()) return std::nullopt;
  } else {
    if (leaving.empty()) return std::nullopt;
    after = LargestCount(job.spec(), std::min<uint64_t>(at_hand, stages));
    if (after < FewestStages(job.spec(), std::min(stages, wanted))) return std::nullopt;
  }
  return ReshapeDecision{after, ReasonOf(job, stages, after, leaving)};
}

PlacingDecision DecidePlacing(const v1::Job& job, const Needs& needs, size_t free) {
  using Kind = PlacingDecision::Kind;
  const uint32_t wanted = WantedStages(job);
  const uint32_t stages = LargestCount(job.spec(), std::min<uint64_t>(free, wanted));
  const auto go_on = [&](absl::string_view end) {
    const uint32_t other = stages < wanted ? wanted : needs.had;
    return PlacingDecision{Kind::kGoOn, stages,
                           stages == other ? ""
                                           : absl::StrCat("it goes on over ", CountOfStages(stages),
                                                          " instead of ", other, end)};
  };
  if (stages >= needs.enough) return go_on("");
  if (!needs.has_waited) return {};
  // What it had is not too few, even if it was to have more by now.
  const uint32_t fewest = std::min(FewestStages(job.spec(), needs.enough), needs.had);
  if (stages >= fewest) {
    return go_on(stages < needs.had ? kAsAllowed : ", until workers return");
  }
  return {
      Kind::kFail, 0,
      absl::StrCat("it cannot go on: it needs ", fewest < needs.enough ? "at least " : "", fewest,
                   " workers, and for ", ShortDuration(absl::Seconds(needs.waits_seconds)),
                   " no more than ", free, " were free")};
}

}  // namespace paci
