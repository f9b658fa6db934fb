#pragma once

// common/security: who is at the other end of a gRPC connection, and what he may do. Daemons and
// the command line depend on it; it knows the names of the services' methods and none of their
// messages.
//
// This file is the table of roles, pure.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace paci {

// What a caller may do. Each but kWorker may do what those before it may.
enum class Role {
  kView,    // read
  kSubmit,  // and submit, steer and end jobs
  kAdmin,   // and drain workers, delete jobs
  kWorker,  // connect as a worker, and nothing else
};

absl::string_view ToString(Role role);  // "view"
// INVALID_ARGUMENT names the roles that there are.
absl::StatusOr<Role> ParseRole(absl::string_view text);

// A certificate says its owner's role in a URI of its subjectAltName, "spiffe://paci/worker".
// Others: NOT_FOUND.
absl::StatusOr<Role> RoleOfUri(absl::string_view uri);

// OK if a caller with `roles` (none: he is nobody) may call `path`, "/package.Service/Method".
// UNAUTHENTICATED: nobody may not; PERMISSION_DENIED: with these roles one may not; each says what
// is needed. Health is asked by everybody; a method that the table does not know is for admins.
absl::Status CheckAccess(absl::string_view path, const std::vector<Role>& roles);

}  // namespace paci
