#include "cli/errors.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/format/escape.h"

namespace paci::cli {

int ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kDone;
    case absl::StatusCode::kInvalidArgument:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kNotFound;
    case absl::StatusCode::kUnavailable:
      return kUnreachable;
    case absl::StatusCode::kCancelled:
      return kInterrupted;
    default:
      return kFailed;
  }
}

std::string ErrorText(const absl::Status& status) {
  std::string text;
  for (const absl::string_view line :
       absl::StrSplit(status.message(), '\n', absl::SkipWhitespace())) {
    absl::StrAppend(&text, "pacictl: ", EscapeLine(line), "\n");
  }
  if (text.empty()) {
    text = absl::StrCat("pacictl: ", absl::StatusCodeToString(status.code()), "\n");
  }
  return text;
}

std::string CauseOf(const std::string& grpc_message) {
  // The last of the nested messages.
  const size_t colon = grpc_message.rfind(": ");
  std::string cause = colon == std::string::npos ? grpc_message : grpc_message.substr(colon + 2);
  if (!cause.empty()) cause[0] = absl::ascii_tolower(static_cast<unsigned char>(cause[0]));
  return cause;
}

std::string UnreachableText(const std::string& address, const std::string& grpc_message) {
  return absl::StrCat("cannot reach the coordinator at ", address, ": ", CauseOf(grpc_message),
                      "; is it running? set --coordinator or PACI_COORDINATOR");
}

}  // namespace paci::cli
