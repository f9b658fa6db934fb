#include "coordinator/job/fast_restart.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "coordinator/job/recovery.h"

namespace paci {
namespace {

// The stage that keeps the copies of `stage`.
size_t KeeperOf(size_t stage, size_t stages) { return (stage + 1) % stages; }

std::optional<uint64_t> CopyOf(size_t stage, const std::vector<StageRemains>& remains) {
  const StageRemains& keeper = remains[KeeperOf(stage, remains.size())];
  return keeper.is_whole ? keeper.copy_update : std::nullopt;
}

}  // namespace

size_t FastRestart::LostStages() const {
  return static_cast<size_t>(std::count_if(
      sources.begin(), sources.end(), [](auto source) { return source != v1::STATE_SOURCE_OWN; }));
}

absl::StatusOr<FastRestart> DecideFastRestart(const v1::Job& job,
                                              const std::vector<StageRemains>& remains) {
  const v1::Checkpoint* point = ResumePoint(job);
  FastRestart restart;
  restart.generation = job.generation();
  restart.first_update = std::numeric_limits<uint64_t>::max();
  for (size_t i = 0; i < remains.size(); ++i) {
    const std::optional<uint64_t> copy = CopyOf(i, remains);
    if (remains[i].is_whole) {
      restart.sources.push_back(v1::STATE_SOURCE_OWN);
      restart.first_update = std::min(restart.first_update, remains[i].updates);
    } else if (copy && (point == nullptr || *copy >= point->update())) {
      restart.sources.push_back(v1::STATE_SOURCE_NEIGHBOUR);
      restart.first_update = std::min(restart.first_update, *copy);
    } else if (point != nullptr) {
      restart.sources.push_back(v1::STATE_SOURCE_UNSPECIFIED);
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat("of stage ", i, " there is neither a copy at a neighbour nor a checkpoint"));
    }
  }
  const bool has_survivor =
      std::any_of(remains.begin(), remains.end(), [](const auto& r) { return r.is_whole; });
  if (!has_survivor) return absl::FailedPreconditionError("no stage is left");
  if (restart.first_update >= job.spec().train().updates()) {
    return absl::FailedPreconditionError("the stages that are left have finished");
  }
  return restart;
}

std::string Describe(const FastRestart& restart, const v1::Job& job,
                     const std::vector<StageRemains>& remains) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < restart.sources.size(); ++i) {
    if (restart.sources[i] == v1::STATE_SOURCE_NEIGHBOUR) {
      parts.push_back(absl::StrCat("stage ", i, " with the copy of update ", *CopyOf(i, remains),
                                   " that stage ", KeeperOf(i, remains.size()), " keeps"));
    } else if (restart.sources[i] != v1::STATE_SOURCE_OWN) {
      parts.push_back(absl::StrCat("stage ", i, " with ", PlaceToRestart(job)));
    }
  }
  parts.push_back(parts.empty() ? "with their own weights" : "the others with their own weights");
  return absl::StrCat("all go on from update ", restart.first_update, ": ",
                      absl::StrJoin(parts, ", "));
}

}  // namespace paci
