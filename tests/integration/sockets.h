#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace paci {

// A TCP connection to a daemon of this machine, for what no client of ours would say, and a plain
// HTTP client. Not thread-safe.
class Socket {
 public:
  // Fails the test when nobody listens at `address`, HOST:PORT.
  explicit Socket(const std::string& address);
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // What the peer does not take any more is dropped.
  void Send(absl::string_view bytes);
  // Everything until the peer closes the connection.
  std::string ReadToEnd();

 private:
  int descriptor_ = -1;
};

// The body of http://ADDRESS/PATH; fails the test unless the answer is 200.
std::string HttpGet(const std::string& address, const std::string& path);

// The value of the one sample of `text`, Prometheus's format, that begins with `series`, such as
// `paci_updates_total{job="a-1",stage="0"}`; NaN when it is not there.
double Sample(absl::string_view text, absl::string_view series);

}  // namespace paci
