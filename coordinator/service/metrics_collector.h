#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "coordinator/service/core.h"
#include "coordinator/service/event_tally.h"

namespace paci {

// Asks the core for jobs and workers when /metrics is read. Thread-safe; waits for the core, so
// only threads of the metrics server may call it. Does not outlive the core and the tally, which
// the core's thread owns.
class MetricsCollector final : public prometheus::Collectable {
 public:
  MetricsCollector(Core* core, const EventTally* tally) : core_(core), tally_(tally) {}

  // Nothing, when the core does not answer in time.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  Core* const core_;
  const EventTally* const tally_;
};

}  // namespace paci
