#include "common/security/tls.h"

#include <arpa/inet.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/address.h"
#include "common/security/call_guard.h"
#include "common/security/pem.h"

namespace paci {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned int kRefreshSeconds = 1;

bool HasAny(const TlsFiles& files) {
  return !files.ca.empty() || !files.certificate.empty() || !files.key.empty();
}

absl::Status CheckTogether(const SecurityOptions& options) {
  if (options.is_insecure && HasAny(options.tls)) {
    return absl::InvalidArgumentError(
        "--insecure and certificates were both given; expected one of the two");
  }
  if (options.tls.certificate.empty() != options.tls.key.empty()) {
    return absl::InvalidArgumentError(
        "--tls-cert and --tls-key go together; only one of them was given");
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const TlsFiles& files) {
  absl::Status status;
  if (!files.ca.empty()) status.Update(CheckCertificates(files.ca));
  if (!files.certificate.empty()) status.Update(CheckKeyPair(files.certificate, files.key));
  return status;
}

std::shared_ptr<tls::CertificateProviderInterface> Watch(const TlsFiles& files) {
  return std::make_shared<tls::FileWatcherCertificateProvider>(files.key, files.certificate,
                                                               files.ca, kRefreshSeconds);
}

bool IsLoopback(absl::string_view address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  if (!parsed.ok()) return false;
  in_addr numbers{};
  const bool is_ipv4 = inet_pton(AF_INET, parsed->host.c_str(), &numbers) == 1;
  return parsed->host == "localhost" || parsed->host == "::1" ||
         (is_ipv4 && absl::StartsWith(parsed->host, "127."));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const SecurityOptions& options, const std::string& tokens_path) {
  if (absl::Status together = CheckTogether(options); !together.ok()) return together;
  if (options.is_insecure) {
    if (tokens_path.empty()) return grpc::InsecureServerCredentials();
    return absl::InvalidArgumentError(
        "--insecure and --token-file were both given; tokens are not sent in the clear");
  }
  if (options.tls.ca.empty() || options.tls.certificate.empty()) {
    return absl::InvalidArgumentError(
        "connections are not protected: expected --tls-ca, --tls-cert and --tls-key, or "
        "--insecure on a network whose every machine is trusted");
  }
  if (absl::Status valid = CheckFiles(options.tls); !valid.ok()) return valid;
  std::unique_ptr<UserTokens> tokens;
  if (!tokens_path.empty()) {
    auto opened = UserTokens::Open(tokens_path);
    if (!opened.ok()) return opened.status();
    tokens = *std::move(opened);
  }
  tls::TlsServerCredentialsOptions tls_options(Watch(options.tls));
  tls_options.watch_identity_key_cert_pairs();
  tls_options.watch_root_certs();
  // Users come with a token; whoever shows a certificate must show a good one.
  tls_options.set_cert_request_type(GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY);
  std::shared_ptr<grpc::ServerCredentials> credentials = tls::TlsServerCredentials(tls_options);
  credentials->SetAuthMetadataProcessor(std::make_shared<CallGuard>(std::move(tokens)));
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const SecurityOptions& options, absl::string_view address, const std::string& token) {
  if (absl::Status together = CheckTogether(options); !together.ok()) return together;
  if (options.tls.ca.empty()) {
    if (HasAny(options.tls)) {
      return absl::InvalidArgumentError("--tls-cert needs --tls-ca, the authority of the server");
    }
    if (!token.empty()) {
      return absl::InvalidArgumentError(
          "a token is not sent in the clear; expected --tls-ca with it");
    }
    if (!options.is_insecure && !IsLoopback(address)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the connection to ", address,
                       " is not protected: expected --tls-ca, or --insecure on a network whose "
                       "every machine is trusted"));
    }
    return grpc::InsecureChannelCredentials();
  }
  if (absl::Status valid = CheckFiles(options.tls); !valid.ok()) return valid;
  tls::TlsChannelCredentialsOptions tls_options;
  tls_options.set_certificate_provider(Watch(options.tls));
  tls_options.watch_root_certs();
  if (!options.tls.certificate.empty()) tls_options.watch_identity_key_cert_pairs();
  std::shared_ptr<grpc::ChannelCredentials> credentials = tls::TlsCredentials(tls_options);
  if (token.empty()) return credentials;
  return grpc::CompositeChannelCredentials(credentials, grpc::AccessTokenCredentials(token));
}

}  // namespace paci
