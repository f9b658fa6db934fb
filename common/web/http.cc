#include "common/web/http.h"

#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace paci {
namespace {

absl::string_view ReasonOf(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    default:
      return "Method Not Allowed";
  }
}

// "Bearer x" after "bearer": x.
bool ConsumeScheme(absl::string_view& text, absl::string_view scheme) {
  if (!absl::StartsWithIgnoreCase(text, scheme)) return false;
  text = absl::StripLeadingAsciiWhitespace(text.substr(scheme.size()));
  return true;
}

}  // namespace

absl::StatusOr<HttpRequest> ParseRequest(absl::string_view head) {
  const std::vector<absl::string_view> lines = absl::StrSplit(head, "\r\n");
  const std::vector<absl::string_view> words = absl::StrSplit(lines[0], ' ');
  if (words.size() != 3 || words[0].empty() || !absl::StartsWith(words[1], "/") ||
      !absl::StartsWith(words[2], "HTTP/1.") || absl::c_any_of(lines[0], absl::ascii_iscntrl)) {
    return absl::InvalidArgumentError("expected a request of HTTP/1");
  }
  HttpRequest request;
  request.method = std::string(words[0]);
  request.path = std::string(words[1].substr(0, words[1].find('?')));
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    if (colon == absl::string_view::npos) continue;
    if (!absl::EqualsIgnoreCase(lines[i].substr(0, colon), "authorization")) continue;
    request.authorization = std::string(absl::StripAsciiWhitespace(lines[i].substr(colon + 1)));
  }
  return request;
}

std::string ToBytes(const HttpAnswer& answer, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", answer.code, " ", ReasonOf(answer.code),
                      "\r\nContent-Type: ", answer.type, "\r\nContent-Length: ", answer.body.size(),
                      "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n",
                      answer.header, "Connection: close\r\n\r\n", with_body ? answer.body : "");
}

std::string TokenIn(absl::string_view authorization) {
  if (ConsumeScheme(authorization, "Bearer ")) return std::string(authorization);
  std::string decoded;
  if (!ConsumeScheme(authorization, "Basic ") || !absl::Base64Unescape(authorization, &decoded)) {
    return "";
  }
  const size_t colon = decoded.find(':');
  return colon == std::string::npos ? "" : decoded.substr(colon + 1);
}

}  // namespace paci
