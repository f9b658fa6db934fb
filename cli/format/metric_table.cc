#include "cli/format/metric_table.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "cli/format/text_table.h"
#include "cli/format/units.h"
#include "common/rpc/timestamp.h"

namespace paci::cli {
namespace {

// The shortest text that reads back as the same number.
std::string Exact(double value) {
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return std::string(buffer, result.ptr);
}

}  // namespace

std::string MetricTable(const v1::GetMetricsResponse& metrics) {
  constexpr auto kRight = TextTable::Align::kRight;
  TextTable table({{"UPDATE", kRight},
                   {"ELAPSED", kRight},
                   {"LOSS", kRight},
                   {"VALIDATION", kRight},
                   {"LEARNING RATE", kRight}});
  for (const v1::MetricPoint& point : metrics.points()) {
    table.Add({absl::StrCat(point.update()), DurationText(absl::Seconds(point.elapsed_seconds())),
               point.has_loss() ? LossText(point.loss()) : "-",
               point.has_validation_loss() ? LossText(point.validation_loss()) : "-",
               point.has_learning_rate() ? NumberText(point.learning_rate()) : "-"});
  }
  return table.Render();
}

std::string MetricCsv(const v1::GetMetricsResponse& metrics) {
  std::string out = "update,time,elapsed_seconds,loss,learning_rate,validation_loss\n";
  for (const v1::MetricPoint& point : metrics.points()) {
    absl::StrAppend(
        &out, point.update(), ",",
        absl::FormatTime("%Y-%m-%dT%H:%M:%E*SZ", FromTimestamp(point.time()), absl::UTCTimeZone()),
        ",", Exact(point.elapsed_seconds()));
    absl::StrAppend(&out, ",", point.has_loss() ? Exact(point.loss()) : "", ",",
                    point.has_learning_rate() ? Exact(point.learning_rate()) : "", ",",
                    point.has_validation_loss() ? Exact(point.validation_loss()) : "", "\n");
  }
  return out;
}

}  // namespace paci::cli
