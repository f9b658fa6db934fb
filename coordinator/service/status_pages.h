#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "coordinator/service/core.h"

namespace paci {

// Asks the core for what a page shows. Thread-safe; waits for the core, so only threads of the
// metrics server may call it. Does not outlive the core.
class StatusPages {
 public:
  explicit StatusPages(Core* core) : core_(core) {}

  // "/": all jobs, and in full those that have not ended; "/jobs/ID": that one in full. nullopt:
  // another path, no such job, or no answer in time.
  std::optional<std::string> Page(absl::string_view path) const;

 private:
  Core* const core_;
};

}  // namespace paci
