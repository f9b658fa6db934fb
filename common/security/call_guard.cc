#include "common/security/call_guard.h"

#include <grpc/grpc_security_constants.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "common/rpc/status.h"

namespace paci {
namespace {

absl::string_view View(const grpc::string_ref& text) { return {text.data(), text.size()}; }

}  // namespace

grpc::Status CallGuard::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                                OutputMetadata* consumed, OutputMetadata* /*response*/) {
  std::vector<Role> roles;
  for (const grpc::string_ref& uri : context->FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME)) {
    if (const absl::StatusOr<Role> role = RoleOfUri(View(uri)); role.ok()) roles.push_back(*role);
  }
  if (const auto said = metadata.find("authorization"); said != metadata.end()) {
    absl::string_view token = View(said->second);
    std::optional<TokenOwner> owner;
    if (absl::ConsumePrefix(&token, "Bearer ") && tokens_ != nullptr) {
      owner = tokens_->Find(token, absl::Now());
    }
    if (!owner) {
      return ToGrpcStatus(absl::UnauthenticatedError(
          "the token is not known to the coordinator; it may have been withdrawn"));
    }
    roles.push_back(owner->role);
    // Nobody behind this sees it.
    consumed->emplace(std::string(View(said->first)), std::string(View(said->second)));
  }
  const auto path = metadata.find(":path");
  return ToGrpcStatus(CheckAccess(path == metadata.end() ? "" : View(path->second), roles));
}

}  // namespace paci
