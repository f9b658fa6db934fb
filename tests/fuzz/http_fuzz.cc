// What a reader of /metrics says. A path that is none, or a token that was not sent, is not
// believed.
#include <cstdlib>

#include "common/web/http.h"
#include "tests/fuzz/fuzz.h"

namespace paci {

std::vector<std::string> FuzzSeeds() {
  return {"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\n\r\n",
          "HEAD /jobs/a-1?x=y HTTP/1.0\r\nauthorization: Basic YW5uYTphYmM=\r\n\r\n"};
}

}  // namespace paci

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view head(reinterpret_cast<const char*>(data), size);
  const auto request = paci::ParseRequest(head);
  if (!request.ok()) return 0;
  const bool is_path =
      request->path.front() == '/' && request->path.find_first_of("? \r\n") == std::string::npos;
  if (request->method.empty() || !is_path) std::abort();
  if (paci::TokenIn(request->authorization).size() > request->authorization.size()) std::abort();
  return 0;
}
