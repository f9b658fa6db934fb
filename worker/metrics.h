#pragma once
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <functional>
#include <optional>
#include <utility>
#include "paci/v1/worker.pb.h"
namespace paci {
class WorkerMetrics : public prometheus::Collectable {
 public:
  explicit WorkerMetrics(std::function<std::optional<std::pair<std::string, v1::StageStatus>>()>) {}
  std::vector<prometheus::MetricFamily> Collect() const override { return {}; }
};
}
