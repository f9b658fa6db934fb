#include "cli/format/units.h"

#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/rpc/timestamp.h"

namespace paci::cli {
namespace {

// "7d", "7d3h": the smaller unit only where it says something.
std::string TwoUnits(int64_t large, absl::string_view large_unit, int64_t small,
                     absl::string_view small_unit) {
  if (small == 0) return absl::StrCat(large, large_unit);
  return absl::StrCat(large, large_unit, small, small_unit);
}

std::string ThreeDigits(double value) {
  if (value < 9.995) return absl::StrFormat("%.2f", value);
  if (value < 99.95) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.0f", value);
}

}  // namespace

std::string DurationText(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  const int64_t minutes = seconds / 60;
  if (minutes < 60) {
    return minutes < 10 ? TwoUnits(minutes, "m", seconds % 60, "s") : absl::StrCat(minutes, "m");
  }
  const int64_t hours = minutes / 60;
  if (hours < 24) return TwoUnits(hours, "h", minutes % 60, "m");
  const int64_t days = hours / 24;
  return days < 8 ? TwoUnits(days, "d", hours % 24, "h") : absl::StrCat(days, "d");
}

std::string CountText(double count) {
  if (!std::isfinite(count)) return absl::StrCat(count);
  if (count < 999.5) return absl::StrFormat("%.0f", count);
  constexpr std::array<absl::string_view, 5> kUnits = {"k", "M", "G", "T", "P"};
  size_t unit = 0;
  double scaled = count / 1000;
  while (scaled >= 999.5 && unit + 1 < kUnits.size()) {
    scaled /= 1000;
    ++unit;
  }
  return absl::StrCat(ThreeDigits(scaled), kUnits[unit]);
}

std::string BytesText(uint64_t bytes) {
  constexpr std::array<absl::string_view, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  size_t unit = 0;
  double scaled = static_cast<double>(bytes) / 1024;
  while (scaled >= 1023.5 && unit + 1 < kUnits.size()) {
    scaled /= 1024;
    ++unit;
  }
  return absl::StrCat(ThreeDigits(scaled), " ", kUnits[unit]);
}

std::string ShareText(double share) { return absl::StrFormat("%.0f%%", share * 100); }

std::string NumberText(double value) { return absl::StrFormat("%.4g", value); }

std::string LossText(double nats) { return absl::StrFormat("%.3f", nats); }

std::string TimeText(const google::protobuf::Timestamp& timestamp) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", FromTimestamp(timestamp), absl::UTCTimeZone());
}

std::string AgeText(const google::protobuf::Timestamp& timestamp, absl::Time now) {
  if (timestamp.seconds() == 0 && timestamp.nanos() == 0) return "-";
  return DurationText(now - FromTimestamp(timestamp));
}

}  // namespace paci::cli
