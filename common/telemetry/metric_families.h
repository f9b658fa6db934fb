#pragma once

#include <prometheus/metric_family.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace paci {

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

// A series' name, help and type, said once where it is made.
struct MetricSeries {
  absl::string_view name;
  absl::string_view help;
};

// Adds samples to a list of metric families, which Prometheus wants each in one piece: to the
// family of that name, or to a new one at the end. Single-threaded.
class MetricFamilies {
 public:
  explicit MetricFamilies(std::vector<prometheus::MetricFamily>& families) : families_(families) {}

  void AddCounter(const MetricSeries& series, MetricLabels labels, double value);
  void AddGauge(const MetricSeries& series, MetricLabels labels, double value);
  // Observations of whole numbers: counts[k] of the value k. A bucket for each of 0..last_bucket
  // beside +Inf.
  void AddHistogram(const MetricSeries& series, MetricLabels labels,
                    const std::vector<uint64_t>& counts, uint64_t last_bucket);

 private:
  prometheus::ClientMetric& Add(const MetricSeries& series, prometheus::MetricType type,
                                MetricLabels labels);

  std::vector<prometheus::MetricFamily>& families_;
};

// The words of an enum's name without its prefix, in lower case: "JOB_STATE_RUNNING" to "running".
std::string StateLabel(absl::string_view enum_name, absl::string_view prefix);

}  // namespace paci
