#include "cli/format/document.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"

namespace paci::cli {
namespace {

// Keeps the order of fields.
using Json = nlohmann::ordered_json;

absl::StatusOr<std::string> Compact(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) {
    return absl::InternalError(absl::StrCat("cannot write a ", message.GetDescriptor()->name(),
                                            " as JSON: ", status.ToString()));
  }
  return json;
}

Json Parse(absl::string_view json) {
  return Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
}

std::string Dump(const Json& value, int indent) {
  return value.dump(indent, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
}

// Bare words that every YAML reader takes for a string; anything else is quoted.
bool IsPlain(const std::string& text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return false;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_isalnum(byte) && c != '_' && c != '-' && c != '.' && c != '/') return false;
  }
  // Words with a meaning of their own in YAML 1.1 or 1.2.
  for (const absl::string_view word :
       {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    if (absl::EqualsIgnoreCase(text, word)) return false;
  }
  return true;
}

std::string Scalar(const Json& value) {
  if (value.is_string() && IsPlain(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  return Dump(value, -1);  // a JSON scalar, or an empty [] or {}, is a YAML one
}

// Writes `value` behind a key or a dash: a scalar on the same line, a collection on lines below.
void AppendYaml(const Json& value, size_t indent, std::string* out);

void AppendEntry(const Json& value, size_t indent, std::string* out) {
  if (!value.is_structured() || value.empty()) {
    absl::StrAppend(out, " ", Scalar(value), "\n");
    return;
  }
  absl::StrAppend(out, "\n");
  AppendYaml(value, indent + 2, out);
}

void AppendYaml(const Json& value, size_t indent, std::string* out) {
  const std::string margin(indent, ' ');
  if (value.is_object()) {
    for (const auto& [key, entry] : value.items()) {
      absl::StrAppend(out, margin, Scalar(key), ":");
      AppendEntry(entry, indent, out);
    }
    return;
  }
  for (const Json& entry : value) {
    if (!entry.is_structured() || entry.empty()) {
      absl::StrAppend(out, margin, "- ", Scalar(entry), "\n");
      continue;
    }
    // "- key: value": the dash takes the place of the entry's own indentation.
    std::string block;
    AppendYaml(entry, indent + 2, &block);
    block[indent] = '-';
    absl::StrAppend(out, block);
  }
}

}  // namespace

std::string IndentJson(absl::string_view json) { return Dump(Parse(json), 2) + "\n"; }

std::string JsonToYaml(absl::string_view json) {
  const Json document = Parse(json);
  if (!document.is_structured() || document.empty()) return Scalar(document) + "\n";
  std::string out;
  AppendYaml(document, 0, &out);
  return out;
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  absl::StatusOr<std::string> json = Compact(message);
  if (json.ok()) *json = IndentJson(*json);
  return json;
}

absl::StatusOr<std::string> ToJsonLine(const google::protobuf::Message& message) {
  absl::StatusOr<std::string> json = Compact(message);
  if (json.ok()) *json += '\n';
  return json;
}

absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message) {
  absl::StatusOr<std::string> json = Compact(message);
  if (json.ok()) *json = JsonToYaml(*json);
  return json;
}

}  // namespace paci::cli
