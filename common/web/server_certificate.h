#pragma once

#include <array>
#include <asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/security/file_stamp.h"

namespace paci {

// A certificate and its key, in PEM, read again within a second of their change. A pair that has
// become wrong is logged, and what was read before stays in force. Single-threaded.
class ServerCertificate {
 public:
  // INVALID_ARGUMENT, NOT_FOUND name the file and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<ServerCertificate>> Open(std::string certificate_path,
                                                                 std::string key_path);

  // For connections that begin now. TLS 1.2 or newer.
  std::shared_ptr<asio::ssl::context> Context(absl::Time now);

 private:
  using Stamps = std::array<std::optional<FileStamp>, 2>;

  ServerCertificate(std::string certificate_path, std::string key_path)
      : certificate_path_(std::move(certificate_path)), key_path_(std::move(key_path)) {}
  Stamps Look() const { return {StampOf(certificate_path_), StampOf(key_path_)}; }
  absl::Status Read();

  const std::string certificate_path_;
  const std::string key_path_;
  std::shared_ptr<asio::ssl::context> context_;
  Stamps read_;
  absl::Time looked_ = absl::InfinitePast();
};

}  // namespace paci
