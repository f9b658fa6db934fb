#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/client.h"
#include "cli/verb.h"
#include "cli/watch/interrupt.h"

namespace paci::cli {

// What `watch` and `submit --watch` share: FollowJob with the view and pace that the output asks
// for.
absl::Status Watch(const Context& context, const std::string& job_id, Client& client,
                   Interrupt& interrupt);

}  // namespace paci::cli
