#include "common/telemetry/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "common/telemetry/log_line.h"

namespace paci {
namespace {

// The process's one logger. Never destroyed, so that threads may log while the process exits.
struct Logger {
  Logger() : sink("paci", std::make_shared<spdlog::sinks::stderr_sink_mt>()) {
    sink.set_pattern("%v");
    sink.set_level(spdlog::level::warn);
  }

  spdlog::logger sink;
  std::atomic<LogFormat> format{LogFormat::kText};
};

Logger& TheLogger() {
  static auto* const logger = new Logger;
  return *logger;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::optional<LogLevel> ParseLevel(const std::string& name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

std::optional<LogFormat> ParseFormat(const std::string& name) {
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return std::nullopt;
}

}  // namespace

absl::Status InitLogging(const std::string& level, const std::string& format) {
  const std::optional<LogLevel> parsed_level = ParseLevel(level);
  if (!parsed_level.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("log level \"", level, "\" is none of debug, info, warning, error"));
  }
  const std::optional<LogFormat> parsed_format = ParseFormat(format);
  if (!parsed_format.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("log format \"", format, "\" is neither text nor json"));
  }
  Logger& logger = TheLogger();
  logger.format.store(*parsed_format);
  logger.sink.set_level(ToSpdlog(*parsed_level));
  return absl::OkStatus();
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  Logger& logger = TheLogger();
  const spdlog::level::level_enum spdlog_level = ToSpdlog(level);
  if (!logger.sink.should_log(spdlog_level)) return;
  const std::string line = FormatLogLine(logger.format.load(), absl::Now(), level, message, fields);
  logger.sink.log(spdlog_level, spdlog::string_view_t(line));
}

}  // namespace paci
