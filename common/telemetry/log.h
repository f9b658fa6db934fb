#pragma once

#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace paci {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// A key and its value, beside the message: {"job", id}, {"stage", 2}, {"generation", 1}.
struct LogField {
  template <typename Value>
  LogField(absl::string_view key, const Value& value) : key(key), value(absl::StrCat(value)) {}

  std::string key;
  std::string value;
};

// Sets where and how this process logs: to stderr, `level` in debug | info | warning | error,
// `format` in text | json (one object a line: time, level, message, and every field as a string).
// INVALID_ARGUMENT says what is allowed. Before it is called, warnings and errors go out as text.
// Thread-safe, as is everything here.
absl::Status InitLogging(const std::string& level, const std::string& format);

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

inline void LogDebug(absl::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kDebug, m, f);
}
inline void LogInfo(absl::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kInfo, m, f);
}
inline void LogWarning(absl::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kWarning, m, f);
}
inline void LogError(absl::string_view m, std::initializer_list<LogField> f = {}) {
  Log(LogLevel::kError, m, f);
}

}  // namespace paci
