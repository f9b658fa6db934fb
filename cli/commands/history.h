#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/client.h"

namespace paci::cli {

// All of a job's past, though an answer of the coordinator holds a part of it only. `patience`: as
// of Client::CallPatiently.
absl::StatusOr<v1::ListEventsResponse> AllEvents(Client& client, const std::string& job_id,
                                                 uint64_t after_sequence = 0,
                                                 absl::Duration patience = absl::ZeroDuration());
absl::StatusOr<v1::GetMetricsResponse> AllPoints(Client& client, const std::string& job_id);

}  // namespace paci::cli
