#include "coordinator/job/recovery.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/timestamp.h"
#include "common/text/short_duration.h"

namespace paci {
namespace {

absl::Duration WindowOf(const v1::Job& job) {
  return absl::Seconds(job.spec().recovery().window_seconds());
}

int64_t CountRestarts(const v1::Job& job, absl::Time now) {
  return std::count_if(job.restarts().begin(), job.restarts().end(), [&](const auto& restart) {
    return FromTimestamp(restart) > now - WindowOf(job);
  });
}

// About what the job asks for or reads, which a restart does not change.
bool IsLasting(const FailureCause& cause) {
  if (cause.kind != FailureKind::kOwnError) return false;
  for (const absl::string_view code :
       {"INVALID_ARGUMENT:", "NOT_FOUND:", "OUT_OF_RANGE:", "FAILED_PRECONDITION:",
        "PERMISSION_DENIED:", "UNIMPLEMENTED:"}) {
    if (absl::StartsWith(cause.what, code)) return true;
  }
  return false;
}

// A stage that was to go on from the newest checkpoint found it missing or damaged.
bool IsDamagedCheckpoint(const v1::Job& job, const std::vector<FailureCause>& causes) {
  const v1::Checkpoint* newest = ResumePoint(job);
  if (job.state() != v1::JOB_STATE_PREPARING || newest == nullptr) return false;
  return std::any_of(causes.begin(), causes.end(), [&](const FailureCause& cause) {
    return cause.kind == FailureKind::kOwnError &&
           (absl::StartsWith(cause.what, "DATA_LOSS:") ||
            absl::StartsWith(cause.what, "NOT_FOUND:")) &&
           absl::StrContains(cause.what, newest->directory());
  });
}

}  // namespace

const v1::Checkpoint* ResumePoint(const v1::Job& job) {
  if (!job.checkpoints().empty()) return &*job.checkpoints().rbegin();
  return job.has_resumed_from() ? &job.resumed_from() : nullptr;
}

std::string PlaceToRestart(const v1::Job& job) {
  const v1::Checkpoint* point = ResumePoint(job);
  if (point == nullptr) return "its beginning, there being no checkpoint";
  if (!job.checkpoints().empty()) {
    return absl::StrCat("update ", point->update(), ", its last checkpoint");
  }
  return absl::StrCat("update ", point->update(), ", with which it began");
}

bool MayRestartFast(const v1::Job& job) {
  return job.spec().recovery().mode() == v1::RECOVERY_MODE_FAST &&
         (job.state() == v1::JOB_STATE_RUNNING || job.state() == v1::JOB_STATE_PAUSING ||
          job.state() == v1::JOB_STATE_PAUSED);
}

RecoveryDecision DecideRecovery(const v1::Job& job, const std::vector<FailureCause>& causes,
                                const std::vector<StageRemains>& remains, absl::Time now) {
  using Kind = RecoveryDecision::Kind;
  const std::string cause = DescribeFailure(causes);
  const uint32_t most = job.spec().recovery().max_restarts();
  if (most == 0) return {Kind::kFail, cause, std::nullopt};
  const bool is_damaged = IsDamagedCheckpoint(job, causes);
  const bool would_fail_again =
      !is_damaged && std::any_of(causes.begin(), causes.end(), [&](const FailureCause& c) {
        return IsLasting(c) || (c.kind == FailureKind::kOwnError && !job.has_started());
      });
  if (would_fail_again) return {Kind::kFail, cause, std::nullopt};
  const int64_t restarts = CountRestarts(job, now);
  const std::string window = ShortDuration(WindowOf(job));
  if (restarts >= most) {
    return {Kind::kFail, absl::StrCat(cause, "; it has been restarted ", restarts, " times within ",
                                      window, ", which is its limit (recovery.max_restarts)")};
  }
  const std::string which =
      absl::StrCat("restart ", restarts + 1, " of at most ", most, " in ", window);
  if (is_damaged) {
    if (job.checkpoints_size() < 2) {
      return {Kind::kFail, absl::StrCat(cause, "; there is no other checkpoint to go back to")};
    }
    const uint64_t older = job.checkpoints(job.checkpoints_size() - 2).update();
    return {Kind::kRestartFromOlder, absl::StrCat(cause, "; the checkpoint before it, of update ",
                                                  older, ", is taken, ", which)};
  }
  std::string why_all = absl::StrCat("every stage goes back to ", PlaceToRestart(job));
  if (MayRestartFast(job)) {
    const absl::StatusOr<FastRestart> fast = DecideFastRestart(job, remains);
    if (fast.ok()) {
      return {Kind::kRestart, absl::StrCat(cause, "; ", Describe(*fast, job, remains), "; ", which),
              *fast};
    }
    why_all = absl::StrCat(fast.status().message(), ", so ", why_all);
  }
  return {Kind::kRestart, absl::StrCat(cause, "; ", why_all, ", ", which)};
}

void DropOldRestarts(v1::Job& job, absl::Time now) {
  auto& restarts = *job.mutable_restarts();
  restarts.erase(std::remove_if(restarts.begin(), restarts.end(),
                                [&](const auto& restart) {
                                  return FromTimestamp(restart) <= now - WindowOf(job);
                                }),
                 restarts.end());
}

}  // namespace paci
