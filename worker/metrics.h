#pragma once

#include <prometheus/collectable.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "paci/v1/job.pb.h"

namespace paci {

// What a worker serves at /metrics: itself, its process, and the stage it holds, as it is when
// asked. Thread-safe if `held` is.
class WorkerMetrics : public prometheus::Collectable {
 public:
  // The job and the status of the stage that the worker holds; nullopt: idle.
  using Held = std::function<std::optional<std::pair<std::string, v1::StageStatus>>()>;

  explicit WorkerMetrics(Held held) : held_(std::move(held)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const Held held_;
};

}  // namespace paci
