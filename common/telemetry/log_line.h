#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "common/telemetry/log.h"

namespace paci {

enum class LogFormat { kText, kJson };

// One line, without its end: whatever message and fields contain, no line break comes out of it.
//   text  2026-01-02T03:04:05.678Z INFO message  job=x stage=1   values with spaces are quoted
//   json  {"time":"2026-01-02T03:04:05.678Z","level":"info","message":"message","job":"x", ...}
std::string FormatLogLine(LogFormat format, absl::Time time, LogLevel level,
                          absl::string_view message, std::initializer_list<LogField> fields);

}  // namespace paci
