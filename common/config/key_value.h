#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "common/config/job_key.h"

namespace paci {

// The value of a key: bool for kBool, uint64_t for kCount, double for kNumber and kSeconds,
// std::string for kName, kPath and kChoice, a vector for kCounts and kPaths.
using KeyValue = std::variant<bool, uint64_t, double, std::string, std::vector<uint64_t>,
                              std::vector<std::string>>;

// A value, or what is wrong with it: `"abc" is not a number; expected a number > 0`.
struct ParsedValue {
  KeyValue value;
  std::string problem;  // empty: none
};
ParsedValue ParseKeyValue(const JobKey& key, const std::string& text);
// Of a kCounts or kPaths.
ParsedValue ParseKeyList(const JobKey& key, absl::Span<const std::string> items);

// As it would stand in a job file, and parse back to the same value.
std::string PrintKeyValue(const JobKey& key, const KeyValue& value);

// What is wrong with a value of the right type; empty: nothing.
std::string ProblemOf(const JobKey& key, const KeyValue& value);

// "a number > 0", "a whole number in 1..1024"
std::string Expected(const JobKey& key);
// The words of a kChoice.
std::vector<std::string> ChoicesOf(const JobKey& key);

// A finite number in its shortest form that parses back to the same bits.
std::string PrintNumber(double value);

// `text` in quotes on one line and of bearable length, for an error message.
std::string Quote(absl::string_view text);

}  // namespace paci
