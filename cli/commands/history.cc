#include "cli/commands/history.h"

namespace paci::cli {

absl::StatusOr<v1::ListEventsResponse> AllEvents(Client& client, const std::string& job_id,
                                                 uint64_t after_sequence, absl::Duration patience) {
  v1::ListEventsResponse all;
  v1::ListEventsRequest request;
  request.set_job_id(job_id);
  request.set_after_sequence(after_sequence);
  while (true) {
    const auto page = client.CallPatiently(&Jobs::ListEvents, request, patience);
    if (!page.ok()) return page.status();
    if (page->events().empty()) return all;
    all.MergeFrom(*page);
    request.set_after_sequence(page->events().rbegin()->sequence());
  }
}

absl::StatusOr<v1::GetMetricsResponse> AllPoints(Client& client, const std::string& job_id) {
  v1::GetMetricsResponse all;
  v1::GetMetricsRequest request;
  request.set_job_id(job_id);
  while (true) {
    const auto page = client.Call(&Jobs::GetMetrics, request);
    if (!page.ok()) return page.status();
    // Only points of update 0: the next page would begin there again.
    if (page->points().empty()) return all;
    all.MergeFrom(*page);
    const uint64_t last = page->points().rbegin()->update();
    if (last == 0) return all;
    request.set_after_update(last);
  }
}

}  // namespace paci::cli
