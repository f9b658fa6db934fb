#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/client.h"
#include "cli/watch/interrupt.h"
#include "cli/watch/job_view.h"

namespace paci::cli {

// How long someone who follows a job waits for a coordinator that went away. Training goes on
// without it meanwhile.
inline constexpr absl::Duration kReconnectPatience = absl::Seconds(60);

// Shows the job at every change until it ends. OK: it completed. ABORTED: it failed or was
// cancelled. CANCELLED: interrupted by the user. UNAVAILABLE: the coordinator was not reachable in
// the first place, or not for `kReconnectPatience`.
absl::Status FollowJob(const std::string& job_id, absl::Duration min_interval, Client& client,
                       Interrupt& interrupt, JobView& view);

// What to say when the user has had enough.
absl::Status StoppedWatching(const std::string& job_id);

}  // namespace paci::cli
