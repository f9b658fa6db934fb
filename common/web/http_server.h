#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "common/rpc/address.h"
#include "common/web/http.h"

namespace paci {

class ServerCertificate;

// Answers HTTP or HTTPS requests, one a connection and one after the other, from the thread
// "paci-web", until it is destroyed. At most 64 connections are open at once, each for at most 10
// s, and each says at most 16 KiB; which have to make room is for lobby.h to say. Thread-safe.
class HttpServer {
 public:
  // Called on the server's thread.
  using Handler = std::function<HttpAnswer(const HttpRequest& request)>;

  // Port 0 takes a free one; `certificate`: null for HTTP. UNAVAILABLE: the address cannot be
  // listened on, with what the system said.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const HostPort& address, std::unique_ptr<ServerCertificate> certificate, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that is listened on.
  const HostPort& address() const { return address_; }

 private:
  class Core;

  HttpServer(HostPort address, std::unique_ptr<Core> core);

  const HostPort address_;
  const std::unique_ptr<Core> core_;
};

}  // namespace paci
