#include "common/config/key_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "common/config/spec_field.h"
#include "common/config/text_check.h"

namespace paci {
namespace {

constexpr size_t kMaxNameLength = 40;
constexpr size_t kMaxQuoted = 60;

ParsedValue Wrong(const JobKey& key, absl::string_view text, absl::string_view what) {
  return {{}, absl::StrCat(Quote(text), " is ", what, "; expected ", Expected(key))};
}

// `value`, unless the table refuses it.
ParsedValue Checked(const JobKey& key, KeyValue value) {
  std::string problem = ProblemOf(key, value);
  return {std::move(value), std::move(problem)};
}

bool IsWholeNumber(absl::string_view text) {
  absl::ConsumePrefix(&text, "-");
  return !text.empty() && absl::c_all_of(text, absl::ascii_isdigit);
}

// Decimal alone, where absl takes "nan", "inf" and "0x1p3" too.
bool ParseFinite(absl::string_view text, double* value) {
  const bool is_decimal = text.find_first_not_of("0123456789+-.eE ") == absl::string_view::npos;
  return is_decimal && absl::SimpleAtod(text, value) && std::isfinite(*value);
}

// Units divide, so that 10ms is the double nearest to 0.01.
bool ParseSeconds(absl::string_view text, double* seconds) {
  double per_second = 1;
  if (absl::ConsumeSuffix(&text, "ms")) {
    per_second = 1e3;
  } else if (absl::ConsumeSuffix(&text, "us")) {
    per_second = 1e6;
  } else if (absl::ConsumeSuffix(&text, "ns")) {
    per_second = 1e9;
  } else {
    absl::ConsumeSuffix(&text, "s");
  }
  if (!ParseFinite(text, seconds)) return false;
  *seconds /= per_second;
  return true;
}

ParsedValue ParseCount(const JobKey& key, absl::string_view text) {
  if (!IsWholeNumber(text)) return Wrong(key, text, "not a whole number");
  uint64_t count = 0;
  if (!absl::SimpleAtoi(text, &count)) return Wrong(key, text, "out of range");
  return Checked(key, count);
}

ParsedValue ParseBool(const JobKey& key, const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower != "true" && lower != "false") return Wrong(key, text, "neither true nor false");
  return {lower == "true", ""};
}

// Plain where nothing in it can mean anything else.
std::string PrintText(const std::string& text) {
  const auto is_plain = [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '.' || c == '/' || c == '-';
  };
  const bool begins_plain =
      !text.empty() && (absl::ascii_isalnum(text[0]) || text[0] == '/' || text[0] == '.');
  const bool is_null = absl::AsciiStrToLower(text) == "null";
  if (begins_plain && !is_null && text != "..." && absl::c_all_of(text, is_plain)) return text;
  std::string quoted = "\"";
  for (const char c : text)
    absl::StrAppend(&quoted, c == '"' || c == '\\' ? "\\" : "", std::string(1, c));
  return quoted + "\"";
}

std::string ProblemOfText(const JobKey& key, const std::string& text) {
  const auto wrong = [&](absl::string_view what) {
    return absl::StrCat(Quote(text), " ", what, "; expected ", Expected(key));
  };
  if (key.type == KeyType::kChoice) {
    return absl::c_linear_search(ChoicesOf(key), text) ? "" : wrong("is not known");
  }
  if (key.type == KeyType::kName) {
    const bool is_name = !text.empty() && text.size() <= kMaxNameLength &&
                         absl::ascii_islower(text[0]) && absl::c_all_of(text, [](unsigned char c) {
                           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
                         });
    return is_name ? "" : wrong("is not a name");
  }
  if (!key.range.Contains(static_cast<double>(text.size()))) {
    return wrong(absl::StrCat("has ", text.size(), " bytes"));
  }
  if (FindInvalidUtf8(text).has_value()) return wrong("is not UTF-8");
  if (absl::c_any_of(text, IsControl)) return wrong("has a control character in it");
  return "";
}

std::string ProblemOfList(const JobKey& key, const std::vector<uint64_t>& items) {
  constexpr size_t kMaxItems = 1024;
  if (items.size() > kMaxItems) {
    return absl::StrCat("has ", items.size(), " entries; expected ", Expected(key), ", at most ",
                        kMaxItems);
  }
  for (const uint64_t item : items) {
    if (!key.range.Contains(static_cast<double>(item))) {
      return absl::StrCat(item, " is out of range; expected ", Expected(key));
    }
  }
  return "";
}

std::string ProblemOfPaths(const JobKey& key, const std::vector<std::string>& paths) {
  constexpr size_t kMaxPaths = 256;
  if (paths.size() > kMaxPaths) {
    return absl::StrCat("has ", paths.size(), " entries; expected ", Expected(key), ", at most ",
                        kMaxPaths);
  }
  for (const std::string& path : paths) {
    std::string problem = ProblemOfText(key, path);
    if (!problem.empty()) return problem;
  }
  return "";
}

// What stands between brackets, by its commas; nullopt: one bracket is missing.
std::optional<std::vector<std::string>> SplitList(absl::string_view text) {
  if (absl::ConsumePrefix(&text, "[") != absl::ConsumeSuffix(&text, "]")) return std::nullopt;
  std::vector<std::string> items;
  for (const absl::string_view item : absl::StrSplit(text, ',', absl::SkipWhitespace())) {
    items.emplace_back(absl::StripAsciiWhitespace(item));
  }
  return items;
}

std::string ProblemOfNumber(const JobKey& key, double value, const std::string& printed) {
  if (std::isfinite(value) && key.range.Contains(value)) return "";
  return absl::StrCat(printed, " is out of range; expected ", Expected(key));
}

// "in 1..1024", ">= 1", "> 0", "in [0, 1)"
std::string PrintRange(const Range& range, bool is_whole) {
  const std::string min = PrintNumber(range.min);
  if (std::isinf(range.max)) return absl::StrCat(range.excludes_min ? "> " : ">= ", min);
  const std::string max = PrintNumber(range.max);
  if (is_whole) return absl::StrCat("in ", min, "..", max);
  return absl::StrCat("in ", range.excludes_min ? "(" : "[", min, ", ", max,
                      range.excludes_max ? ")" : "]");
}

}  // namespace

std::string Quote(absl::string_view text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  size_t shown = std::min(text.size(), kMaxQuoted);
  // Never half a character, however it is encoded.
  while (shown > 0 && shown < text.size() && continues(text[shown])) --shown;
  return absl::StrCat("\"", absl::Utf8SafeCEscape(text.substr(0, shown)),
                      shown < text.size() ? "...\"" : "\"");
}

std::string PrintNumber(double value) {
  char buffer[32];
  // Whole numbers in full, where the shortest form would be 1e+12.
  const bool is_negative_zero = value == 0 && std::signbit(value);
  if (std::trunc(value) == value && std::abs(value) < 1e16 && !is_negative_zero) {
    return absl::StrCat(static_cast<int64_t>(value));
  }
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

std::vector<std::string> ChoicesOf(const JobKey& key) {
  return key.choices != nullptr ? key.choices() : EnumWords(key);
}

std::string Expected(const JobKey& key) {
  switch (key.type) {
    case KeyType::kName:
      return absl::StrCat("1 to ", kMaxNameLength,
                          " characters of a-z, 0-9 and -, starting with a letter");
    case KeyType::kPath:
      return absl::StrCat("a path of at most ", PrintNumber(key.range.max), " bytes");
    case KeyType::kPaths:
      return absl::StrCat("a path of at most ", PrintNumber(key.range.max),
                          " bytes, or a list of paths, such as [/data/a.bin, /data/b.bin]");
    case KeyType::kChoice: {
      const std::vector<std::string> choices = ChoicesOf(key);
      return absl::StrCat(choices.size() > 1 ? "one of " : "", absl::StrJoin(choices, ", "));
    }
    case KeyType::kCount:
      return absl::StrCat("a whole number ", PrintRange(key.range, true));
    case KeyType::kCounts:
      return absl::StrCat("a list, such as [2, 3], of whole numbers ", PrintRange(key.range, true));
    case KeyType::kNumber:
      return absl::StrCat("a number ", PrintRange(key.range, false));
    case KeyType::kSeconds:
      return absl::StrCat("a duration of at most ", PrintNumber(key.range.max),
                          "s, such as 10ms, 0.5s or 250us");
    case KeyType::kBool:
      return "true or false";
  }
  return "";
}

ParsedValue ParseKeyValue(const JobKey& key, const std::string& text) {
  double number = 0;
  switch (key.type) {
    case KeyType::kName:
    case KeyType::kPath:
    case KeyType::kChoice:
      return Checked(key, text);
    case KeyType::kBool:
      return ParseBool(key, text);
    case KeyType::kCount:
      return ParseCount(key, text);
    case KeyType::kCounts: {
      const std::optional<std::vector<std::string>> items = SplitList(text);
      return items ? ParseKeyList(key, *items) : Wrong(key, text, "not a list");
    }
    case KeyType::kPaths: {
      // A pattern may begin with a bracket.
      const bool is_list = absl::StartsWith(text, "[") && absl::EndsWith(text, "]");
      if (is_list) return ParseKeyList(key, *SplitList(text));
      if (text.empty()) return ParseKeyList(key, {});
      return ParseKeyList(key, {text});
    }
    case KeyType::kNumber:
      if (!ParseFinite(text, &number)) return Wrong(key, text, "not a number");
      return Checked(key, number);
    case KeyType::kSeconds:
      if (!ParseSeconds(text, &number)) return Wrong(key, text, "not a duration");
      return Checked(key, number);
  }
  return {};
}

ParsedValue ParseKeyList(const JobKey& key, absl::Span<const std::string> items) {
  if (key.type == KeyType::kPaths) {
    return Checked(key, std::vector<std::string>(items.begin(), items.end()));
  }
  std::vector<uint64_t> values;
  for (const std::string& text : items) {
    uint64_t value = 0;
    if (!IsWholeNumber(text)) return Wrong(key, text, "not a whole number");
    if (!absl::SimpleAtoi(text, &value)) return Wrong(key, text, "out of range");
    values.push_back(value);
  }
  return Checked(key, std::move(values));
}

std::string PrintKeyValue(const JobKey& key, const KeyValue& value) {
  struct Printer {
    KeyType type;
    std::string operator()(bool value) { return value ? "true" : "false"; }
    std::string operator()(uint64_t value) { return absl::StrCat(value); }
    std::string operator()(double value) {
      return PrintNumber(value) + (type == KeyType::kSeconds ? "s" : "");
    }
    std::string operator()(const std::string& value) { return PrintText(value); }
    std::string operator()(const std::vector<uint64_t>& value) {
      return absl::StrCat("[", absl::StrJoin(value, ", "), "]");
    }
    std::string operator()(const std::vector<std::string>& value) {
      if (value.size() == 1) return PrintText(value[0]);
      const auto print = [](std::string* out, const std::string& text) {
        absl::StrAppend(out, PrintText(text));
      };
      return absl::StrCat("[", absl::StrJoin(value, ", ", print), "]");
    }
  };
  return std::visit(Printer{key.type}, value);
}

std::string ProblemOf(const JobKey& key, const KeyValue& value) {
  switch (key.type) {
    case KeyType::kBool:
      return "";
    case KeyType::kName:
    case KeyType::kPath:
    case KeyType::kChoice:
      return ProblemOfText(key, std::get<std::string>(value));
    case KeyType::kPaths:
      return ProblemOfPaths(key, std::get<std::vector<std::string>>(value));
    case KeyType::kCounts:
      return ProblemOfList(key, std::get<std::vector<uint64_t>>(value));
    case KeyType::kCount:
      return ProblemOfNumber(key, static_cast<double>(std::get<uint64_t>(value)),
                             PrintKeyValue(key, value));
    case KeyType::kNumber:
    case KeyType::kSeconds:
      return ProblemOfNumber(key, std::get<double>(value), PrintKeyValue(key, value));
  }
  return "";
}

}  // namespace paci
