#include "common/web/server_certificate.h"

#include <openssl/ssl.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/security/pem.h"
#include "common/telemetry/log.h"

namespace paci {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<ServerCertificate>> ServerCertificate::Open(
    std::string certificate_path, std::string key_path) {
  auto opened =
      absl::WrapUnique(new ServerCertificate(std::move(certificate_path), std::move(key_path)));
  opened->read_ = opened->Look();
  if (absl::Status read = opened->Read(); !read.ok()) return read;
  return opened;
}

absl::Status ServerCertificate::Read() {
  if (absl::Status valid = CheckKeyPair(certificate_path_, key_path_); !valid.ok()) return valid;
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  std::error_code error;
  context->use_certificate_chain_file(certificate_path_, error);
  if (!error) context->use_private_key_file(key_path_, asio::ssl::context::pem, error);
  // They may have been replaced between the two.
  if (error || SSL_CTX_check_private_key(native) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(certificate_path_, " and ", key_path_, " cannot be used: ", error.message()));
  }
  context_ = std::move(context);
  return absl::OkStatus();
}

std::shared_ptr<asio::ssl::context> ServerCertificate::Context(absl::Time now) {
  if (now - looked_ < kLookEvery && now >= looked_) return context_;
  looked_ = now;
  if (Stamps found = Look(); found != read_) {
    read_ = found;
    if (const absl::Status read = Read(); !read.ok()) {
      LogError("the certificate was changed and cannot be used; the one before stays in force",
               {{"why", read.ToString()}});
    }
  }
  return context_;
}

}  // namespace paci
