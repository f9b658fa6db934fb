#include "common/rpc/status.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace paci {
namespace {

constexpr size_t kMaxMessageBytes = 4000;
constexpr int kLastCode = static_cast<int>(absl::StatusCode::kUnauthenticated);

std::string Cut(absl::string_view message) {
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  return absl::StrCat(message.substr(0, kMaxMessageBytes), " ... (",
                      message.size() - kMaxMessageBytes, " more bytes)");
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), Cut(status.message()));
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  return StatusFromCode(status.error_code(), status.error_message());
}

absl::Status StatusFromCode(int code, absl::string_view message) {
  if (code < 0 || code > kLastCode) {
    return absl::UnknownError(absl::StrCat(message, " (status code ", code, ")"));
  }
  return absl::Status(static_cast<absl::StatusCode>(code), message);
}

}  // namespace paci
