#include "cli/quantity.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "common/config/job_key.h"
#include "common/config/key_value.h"
#include "common/simulator/costs.h"

namespace paci::cli {
namespace {

struct Unit {
  absl::string_view name;
  double factor;
};

constexpr Unit kByteUnits[] = {{"B", 1},        {"KB", 1e3},     {"MB", 1e6},
                               {"GB", 1e9},     {"TB", 1e12},    {"KiB", 0x1p10},
                               {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
constexpr Unit kBitUnits[] = {
    {"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"Tbit", 1e12}};
constexpr Unit kFlopUnits[] = {{"M", 1e6}, {"G", 1e9}, {"T", 1e12}, {"P", 1e15}};
constexpr double kMax = 1e18;
constexpr double kMaxSlowdown = 1000;

absl::Status Wrong(absl::string_view option, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat(option, ": ", problem));
}

absl::StatusOr<double> ParseWithUnit(absl::string_view option, absl::string_view text,
                                     absl::Span<const Unit> units, absl::string_view example) {
  const size_t end = text.find_last_of("0123456789.") + 1;
  const absl::string_view name = text.substr(end);
  const auto unit =
      std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  double number = 0;
  // SimpleAtod takes words, too.
  const bool is_number = text.find_first_not_of("0123456789.") >= end &&
                         absl::SimpleAtod(text.substr(0, end), &number);
  if (is_number && unit != units.end() && number > 0 && number * unit->factor <= kMax) {
    return number * unit->factor;
  }
  const auto append = [](std::string* out, const Unit& u) { absl::StrAppend(out, u.name); };
  return Wrong(option,
               absl::StrCat(Quote(text), " is not right; expected a number above 0 and one of ",
                            absl::StrJoin(units, ", ", append), ", such as ", example));
}

// As the value of a job file's key of that type and range would be.
template <typename Value>
absl::StatusOr<Value> ParseAs(absl::string_view option, absl::string_view text, KeyType type,
                              const Range& range) {
  JobKey key;
  key.type = type;
  key.range = range;
  const ParsedValue parsed = ParseKeyValue(key, std::string(text));
  if (!parsed.problem.empty()) return Wrong(option, parsed.problem);
  return std::get<Value>(parsed.value);
}

using Straggler = std::pair<int64_t, double>;

absl::StatusOr<Straggler> ParseStraggler(absl::string_view option, absl::string_view text) {
  if (!absl::StrContains(text, '=')) {
    return Wrong(option, absl::StrCat(Quote(text),
                                      " is not right; expected STAGE=FACTOR, such as "
                                      "4=1.2"));
  }
  const std::pair<absl::string_view, absl::string_view> words =
      absl::StrSplit(text, absl::MaxSplits('=', 1));
  const double last_stage = FindJobKey("pipeline.stages")->range.max - 1;
  const auto stage = ParseAs<uint64_t>(option, words.first, KeyType::kCount, {.max = last_stage});
  if (!stage.ok()) return stage.status();
  const auto factor = ParseAs<double>(option, words.second, KeyType::kNumber,
                                      {.max = kMaxSlowdown, .excludes_min = true});
  if (!factor.ok()) return factor.status();
  return Straggler(*stage, *factor);
}

}  // namespace

absl::StatusOr<int64_t> ParseBytes(absl::string_view option, absl::string_view text) {
  const absl::StatusOr<double> bytes = ParseWithUnit(option, text, kByteUnits, "80GiB");
  if (!bytes.ok()) return bytes.status();
  return std::llround(*bytes);
}

absl::StatusOr<double> ParseBandwidth(absl::string_view option, absl::string_view text) {
  const absl::StatusOr<double> bits = ParseWithUnit(option, text, kBitUnits, "10Gbit");
  if (!bits.ok()) return bits.status();
  return *bits / 8;
}

absl::StatusOr<double> ParseFlops(absl::string_view option, absl::string_view text) {
  return ParseWithUnit(option, text, kFlopUnits, "10T");
}

absl::StatusOr<double> ParseLatency(absl::string_view option, absl::string_view text) {
  return ParseAs<double>(option, text, KeyType::kSeconds, {.max = 3600});
}

absl::StatusOr<double> ParseJitter(absl::string_view option, absl::string_view text) {
  return ParseAs<double>(option, text, KeyType::kNumber, {.max = Jitter::kMaxRelativeDeviation});
}

absl::StatusOr<std::map<int64_t, double>> ParseStragglers(absl::string_view option,
                                                          absl::string_view text) {
  std::map<int64_t, double> slowdowns;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const absl::StatusOr<Straggler> straggler = ParseStraggler(option, item);
    if (!straggler.ok()) return straggler.status();
    if (!slowdowns.insert(*straggler).second) {
      return Wrong(option, absl::StrCat("stage ", straggler->first, " is given twice"));
    }
  }
  return slowdowns;
}

absl::StatusOr<std::vector<int64_t>> ParseCounts(absl::string_view option, absl::string_view text,
                                                 absl::string_view key) {
  std::vector<int64_t> counts;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    const ParsedValue parsed = ParseKeyValue(*FindJobKey(key), std::string(item));
    if (!parsed.problem.empty()) return Wrong(option, parsed.problem);
    const auto count = static_cast<int64_t>(std::get<uint64_t>(parsed.value));
    if (std::find(counts.begin(), counts.end(), count) == counts.end()) counts.push_back(count);
  }
  return counts;
}

}  // namespace paci::cli
