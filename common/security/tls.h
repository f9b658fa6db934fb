#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// Files in PEM; empty: not given.
struct TlsFiles {
  std::string ca;           // certificates of the authority that the other end's must be of
  std::string certificate;  // one's own, with those between it and the authority
  std::string key;
};

// How connections are protected, as the flags of a program say it.
struct SecurityOptions {
  TlsFiles tls;
  bool is_insecure = false;  // asked for by name: neither encrypted nor authenticated
};

// Of a daemon that listens; `tokens_path` may be empty. Without `is_insecure` all three files are
// needed, and each call must come with a token, or a client certificate, whose role allows it
// (access.h). Certificates and tokens that change are taken up within a second. INVALID_ARGUMENT
// says what is missing, wrong or contradicts.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const SecurityOptions& options, const std::string& tokens_path);

// Of a program that calls `address`. With a `ca` the server's certificate is checked against it;
// a certificate of one's own and `token` are optional. Without one, is_insecure must say so, but
// for a loopback address; a token is never sent in the clear.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const SecurityOptions& options, absl::string_view address, const std::string& token);

}  // namespace paci
