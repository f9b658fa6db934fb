#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace paci::cli {

// A message by protobuf's JSON mapping, for scripts: field names as in job.proto, in its order,
// every field that is not a message present even when it is zero, enums by name, 64-bit integers
// as strings, bytes as base64. Documents end with a newline. INTERNAL for what JSON cannot say: a
// time beyond the year 9999.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);      // indented
absl::StatusOr<std::string> ToJsonLine(const google::protobuf::Message& message);  // one line
absl::StatusOr<std::string> ToYaml(const google::protobuf::Message& message);      // as ToJson

// The same two forms for a document that is no message. `json` must be valid JSON.
std::string IndentJson(absl::string_view json);
std::string JsonToYaml(absl::string_view json);

}  // namespace paci::cli
