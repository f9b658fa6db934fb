#include "coordinator/service/status_pages.h"

#include <memory>
#include <utility>

#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "coordinator/job/job_machine.h"
#include "coordinator/service/status_page.h"

namespace paci {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);
constexpr size_t kMaxListed = 100;
constexpr size_t kMaxInFull = 8;
constexpr size_t kMaxEvents = 30;

JobView InFull(const v1::Job& job, JobStore& store) {
  JobView view;
  view.job = job;
  auto points = store.SampledPoints(job.id(), StepOfCurve(job.progress().updates()));
  auto events = store.LastEvents(job.id(), kMaxEvents);
  if (points.ok()) view.points = *std::move(points);
  if (events.ok()) view.events = *std::move(events);
  return view;
}

// `job_id`: the one that is shown in full; empty: those that have not ended.
ClusterView Look(CoreState& state, const std::string& job_id) {
  ClusterView view;
  view.now = absl::Now();
  view.jobs = state.controller.List();
  view.workers = state.controller.Workers();
  for (const v1::Job& job : view.jobs) {
    const bool is_wanted = job_id.empty() ? !IsEnded(job.state()) : job.id() == job_id;
    if (is_wanted && view.shown.size() < kMaxInFull) view.shown.push_back(InFull(job, state.store));
  }
  if (view.jobs.size() > kMaxListed) view.jobs.resize(kMaxListed);
  return view;
}

struct Seen {
  ClusterView view;
  absl::Status stored;
  absl::Notification is_there;
};

}  // namespace

std::optional<std::string> StatusPages::Page(absl::string_view path) const {
  const bool is_of_job = absl::ConsumePrefix(&path, "/jobs/");
  if (is_of_job ? path.empty() : path != "/") return std::nullopt;
  const std::string job_id(is_of_job ? path : "");
  const auto seen = std::make_shared<Seen>();
  const absl::Status posted = core_->Post([seen, job_id](CoreState& state) -> Reply {
    seen->view = Look(state, job_id);
    return [seen](const absl::Status& stored) {
      seen->stored = stored;
      seen->is_there.Notify();
    };
  });
  if (!posted.ok() || !seen->is_there.WaitForNotificationWithTimeout(kPatience)) {
    return std::nullopt;
  }
  if (!seen->stored.ok() || (is_of_job && seen->view.shown.empty())) return std::nullopt;
  return StatusPage(seen->view);
}

}  // namespace paci
