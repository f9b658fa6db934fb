#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "coordinator/service/core.h"

namespace paci {

// Asks the core for jobs and workers when /metrics is read. Thread-safe; waits for the core, so
// only threads of the metrics server may call it. Does not outlive the core.
class MetricsCollector final : public prometheus::Collectable {
 public:
  explicit MetricsCollector(Core* core) : core_(core) {}

  // Nothing, when the core does not answer in time.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  Core* const core_;
};

}  // namespace paci
