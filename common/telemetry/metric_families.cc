#include "common/telemetry/metric_families.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"

namespace paci {

void MetricFamilies::AddCounter(const MetricSeries& series, MetricLabels labels, double value) {
  Add(series, prometheus::MetricType::Counter, std::move(labels)).counter.value = value;
}

void MetricFamilies::AddGauge(const MetricSeries& series, MetricLabels labels, double value) {
  Add(series, prometheus::MetricType::Gauge, std::move(labels)).gauge.value = value;
}

void MetricFamilies::AddHistogram(const MetricSeries& series, MetricLabels labels,
                                  const std::vector<uint64_t>& counts, uint64_t last_bucket) {
  prometheus::ClientMetric::Histogram& histogram =
      Add(series, prometheus::MetricType::Histogram, std::move(labels)).histogram;
  for (uint64_t value = 0; value < std::max<uint64_t>(counts.size(), last_bucket + 1); ++value) {
    const uint64_t count = value < counts.size() ? counts[value] : 0;
    histogram.sample_count += count;
    histogram.sample_sum += static_cast<double>(value) * static_cast<double>(count);
    if (value <= last_bucket) {
      histogram.bucket.push_back({histogram.sample_count, static_cast<double>(value)});
    }
  }
}

prometheus::ClientMetric& MetricFamilies::Add(const MetricSeries& series,
                                              prometheus::MetricType type, MetricLabels labels) {
  auto family = std::find_if(families_.begin(), families_.end(),
                             [&](const auto& f) { return f.name == series.name; });
  if (family == families_.end()) {
    families_.push_back({std::string(series.name), std::string(series.help), type, {}});
    family = std::prev(families_.end());
  }
  family->metric.emplace_back();
  family->metric.back().label = std::move(labels);
  return family->metric.back();
}

std::string StateLabel(absl::string_view enum_name, absl::string_view prefix) {
  return absl::AsciiStrToLower(absl::StripPrefix(enum_name, prefix));
}

}  // namespace paci
