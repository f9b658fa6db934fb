#include "coordinator/job/older_store.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/config/stage_key.h"
#include "coordinator/job/job_machine.h"

namespace paci {
namespace {

constexpr uint64_t kMaxNumber = uint64_t{1} << 48;

}  // namespace

uint64_t NumberOfJob(const std::string& job_id) {
  const size_t dash = job_id.rfind('-');
  uint64_t number = 0;
  if (dash == std::string::npos || !absl::SimpleAtoi(job_id.substr(dash + 1), &number)) return 0;
  return number < kMaxNumber ? number : 0;
}

absl::Status CheckStoreKnows(const v1::StageKey& key, const v1::Job* job,
                             uint64_t next_job_number) {
  if (job == nullptr) {
    if (NumberOfJob(key.job_id()) < next_job_number) return absl::OkStatus();  // it was deleted
    return absl::FailedPreconditionError(
        absl::StrCat("the worker holds ", ToString(key), ", and the coordinator's store knows no ",
                     "job of a number above ", next_job_number - 1,
                     ": it is an older copy; start the coordinator on the newer one, or end the ",
                     "worker to give up what it has"));
  }
  if (IsEnded(job->state()) || key.generation() <= job->generation()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the worker holds ", ToString(key), ", and the coordinator's store knows no ",
                   "generation of it above ", job->generation(),
                   ": it is an older copy; start the coordinator on the newer one, or cancel the ",
                   "job to give up what the worker has"));
}

}  // namespace paci
