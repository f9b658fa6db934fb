#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// As much of HTTP/1 as a reader of pages needs. Pure.

struct HttpRequest {
  std::string method;         // "GET"
  std::string path;           // "/jobs/a-1", without what follows a "?"
  std::string authorization;  // the header's value; empty: there is none
};

// Of what a client sends up to its first empty line. INVALID_ARGUMENT: it is none.
absl::StatusOr<HttpRequest> ParseRequest(absl::string_view head);

struct HttpAnswer {
  int code = 200;
  std::string type = "text/plain; charset=utf-8";  // of `body`
  std::string body;
  std::string header;  // further lines, each with its "\r\n"
};

// The bytes of an answer after which the connection is closed; without its body for a HEAD.
std::string ToBytes(const HttpAnswer& answer, bool with_body);

// The token of "Bearer TOKEN", or the password of "Basic ..."; empty: there is none.
std::string TokenIn(absl::string_view authorization);

}  // namespace paci
