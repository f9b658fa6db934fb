#include "coordinator/job/queue.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

// "4 workers", "1 cuda worker"
std::string Workers(size_t count, absl::string_view device) {
  return absl::StrCat(count, device == "cpu" ? "" : absl::StrCat(" ", device),
                      count == 1 ? " worker" : " workers");
}

std::string Are(size_t count) { return absl::StrCat(count, count == 1 ? " is" : " are"); }

}  // namespace

std::vector<QueueDecision> DecideQueue(const std::vector<WaitingJob>& waiting,
                                       std::vector<WorkerSupply> supplies) {
  std::vector<QueueDecision> decisions;
  std::map<std::string, std::string> first_in_line;  // device -> job that the others wait behind
  for (const WaitingJob& job : waiting) {
    auto supply = std::find_if(supplies.begin(), supplies.end(),
                               [&](const WorkerSupply& s) { return s.device == job.device; });
    const size_t free = supply == supplies.end() ? 0 : supply->free;
    const size_t usable = supply == supplies.end() ? 0 : supply->usable;
    const size_t kept = supply == supplies.end() ? 0 : supply->kept;
    const std::string needs =
        absl::StrCat("needs ", Workers(job.stages, job.device), ", ", Are(free), " free",
                     kept > 0 ? absl::StrCat(" (", kept, " more kept for jobs that recover)") : "");
    QueueDecision decision{job.id, false, ""};
    const auto before = first_in_line.find(job.device);
    if (job.stages > usable) {
      decision.reason = absl::StrCat(needs, " and ", usable, " connected");
    } else if (before != first_in_line.end()) {
      decision.reason = absl::StrCat("waits behind job ", before->second);
    } else if (job.stages > free) {
      decision.reason = needs;
      first_in_line[job.device] = job.id;
    } else {
      decision.is_placed = true;
      decision.reason = needs;
      supply->free -= job.stages;
    }
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

}  // namespace paci
