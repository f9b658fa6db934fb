#include "common/telemetry/chrome_trace.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"

namespace paci {
namespace {

// What is no UTF-8 is replaced.
std::string Quoted(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string Microseconds(int64_t nanos) {
  const bool is_negative = nanos < 0;
  const uint64_t size = is_negative ? -static_cast<uint64_t>(nanos) : nanos;
  return absl::StrFormat("%s%d.%03d", is_negative ? "-" : "", size / 1000, size % 1000);
}

std::string ToJson(const ChromeTrace::Arg& arg) {
  const auto* number = std::get_if<int64_t>(&arg.value);
  return absl::StrCat(Quoted(arg.name), ":",
                      number ? absl::StrCat(*number) : Quoted(std::get<std::string>(arg.value)));
}

}  // namespace

void ChromeTrace::Begin(absl::string_view phase, absl::string_view name, absl::string_view category,
                        Row row) {
  absl::StrAppend(&events_, events_.empty() ? "" : ",\n", "{\"ph\":\"", phase,
                  "\",\"name\":", Quoted(name));
  if (!category.empty()) absl::StrAppend(&events_, ",\"cat\":", Quoted(category));
  absl::StrAppend(&events_, ",\"pid\":", row.process, ",\"tid\":", row.thread);
}

void ChromeTrace::Name(absl::string_view kind, Row row, absl::string_view name) {
  Begin("M", kind, "", row);
  absl::StrAppend(&events_, ",\"args\":{\"name\":", Quoted(name), "}}");
}

void ChromeTrace::NameProcess(int64_t process, absl::string_view name) {
  Name("process_name", {process, 0}, name);
}

void ChromeTrace::NameRow(Row row, absl::string_view name) { Name("thread_name", row, name); }

void ChromeTrace::AddSlice(Row row, absl::string_view name, absl::string_view category,
                           int64_t begin_nanos, int64_t duration_nanos,
                           const std::vector<Arg>& args) {
  Begin("X", name, category, row);
  absl::StrAppend(&events_, ",\"ts\":", Microseconds(begin_nanos),
                  ",\"dur\":", Microseconds(duration_nanos));
  if (!args.empty()) {
    absl::string_view separator = ",\"args\":{";
    for (const Arg& arg : args) {
      absl::StrAppend(&events_, separator, paci::ToJson(arg));
      separator = ",";
    }
    absl::StrAppend(&events_, "}");
  }
  absl::StrAppend(&events_, "}");
}

void ChromeTrace::AddInstant(Row row, absl::string_view name, absl::string_view category,
                             int64_t nanos) {
  Begin("i", name, category, row);
  absl::StrAppend(&events_, ",\"s\":\"t\",\"ts\":", Microseconds(nanos), "}");
}

void ChromeTrace::AddArrow(int64_t id, absl::string_view name, Row from, int64_t from_nanos, Row to,
                           int64_t to_nanos) {
  Begin("s", name, "transfer", from);
  absl::StrAppend(&events_, ",\"id\":", id, ",\"ts\":", Microseconds(from_nanos), "}");
  Begin("f", name, "transfer", to);
  absl::StrAppend(&events_, ",\"id\":", id, ",\"bp\":\"e\",\"ts\":", Microseconds(to_nanos), "}");
}

void ChromeTrace::AddMetadata(absl::string_view name, absl::string_view value) {
  absl::StrAppend(&metadata_, metadata_.empty() ? "" : ",", Quoted(name), ":", Quoted(value));
}

std::string ChromeTrace::ToJson() const {
  return absl::StrCat("{\"displayTimeUnit\":\"ms\",\"otherData\":{", metadata_,
                      "},\"traceEvents\":[\n", events_, "\n]}\n");
}

}  // namespace paci
