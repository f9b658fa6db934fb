#include "common/security/access.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace paci {
namespace {

constexpr absl::string_view kUriPrefix = "spiffe://paci/";
constexpr absl::string_view kHealth = "/grpc.health.v1.Health/";
constexpr absl::string_view kReflection = "/grpc.reflection.";
constexpr absl::string_view kWorkers = "/paci.v1.WorkerService/";

struct Need {
  absl::string_view path;
  Role role;
};

constexpr Need kNeeds[] = {
    {"/paci.v1.JobService/GetJob", Role::kView},
    {"/paci.v1.JobService/ListJobs", Role::kView},
    {"/paci.v1.JobService/WatchJob", Role::kView},
    {"/paci.v1.JobService/ListEvents", Role::kView},
    {"/paci.v1.JobService/GetMetrics", Role::kView},
    {"/paci.v1.JobService/DiagnoseJob", Role::kView},
    {"/paci.v1.JobService/SubmitJob", Role::kSubmit},
    {"/paci.v1.JobService/CancelJob", Role::kSubmit},
    {"/paci.v1.JobService/PauseJob", Role::kSubmit},
    {"/paci.v1.JobService/ResumeJob", Role::kSubmit},
    {"/paci.v1.JobService/RescaleJob", Role::kSubmit},
    {"/paci.v1.JobService/Generate", Role::kSubmit},  // a worker's time
    {"/paci.v1.JobService/TraceJob", Role::kSubmit},
    {"/paci.v1.JobService/DeleteJob", Role::kAdmin},
    {"/paci.v1.ClusterService/GetInfo", Role::kView},
    {"/paci.v1.ClusterService/ListWorkers", Role::kView},
    {"/paci.v1.ClusterService/DrainWorker", Role::kAdmin},
};

Role NeedOf(absl::string_view path) {
  if (absl::StartsWith(path, kWorkers)) return Role::kWorker;
  if (absl::StartsWith(path, kReflection)) return Role::kView;
  const auto* const known = std::find_if(std::begin(kNeeds), std::end(kNeeds),
                                         [&](const Need& need) { return need.path == path; });
  return known == std::end(kNeeds) ? Role::kAdmin : known->role;
}

bool Suffices(Role has, Role needed) {
  if (has == Role::kWorker || needed == Role::kWorker) return has == needed;
  return has >= needed;
}

}  // namespace

absl::string_view ToString(Role role) {
  switch (role) {
    case Role::kView:
      return "view";
    case Role::kSubmit:
      return "submit";
    case Role::kAdmin:
      return "admin";
    case Role::kWorker:
      return "worker";
  }
  return "?";
}

absl::StatusOr<Role> ParseRole(absl::string_view text) {
  for (const Role role : {Role::kView, Role::kSubmit, Role::kAdmin, Role::kWorker}) {
    if (ToString(role) == text) return role;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no role \"", text, "\"; expected view, submit, admin or worker"));
}

absl::StatusOr<Role> RoleOfUri(absl::string_view uri) {
  if (absl::ConsumePrefix(&uri, kUriPrefix)) {
    if (absl::StatusOr<Role> role = ParseRole(uri); role.ok()) return role;
  }
  return absl::NotFoundError("it says no role");
}

absl::Status CheckAccess(absl::string_view path, const std::vector<Role>& roles) {
  if (absl::StartsWith(path, kHealth)) return absl::OkStatus();
  const Role needed = NeedOf(path);
  if (std::any_of(roles.begin(), roles.end(), [&](Role has) { return Suffices(has, needed); })) {
    return absl::OkStatus();
  }
  if (roles.empty()) {
    return absl::UnauthenticatedError(
        needed == Role::kWorker
            ? "a worker needs a client certificate of the role worker (--tls-cert, --tls-key)"
            : "the call carries neither a token nor a client certificate with a role; expected "
              "a token (pacictl --token-file, or PACI_TOKEN_FILE)");
  }
  return absl::PermissionDeniedError(absl::StrCat("the role ", ToString(roles.front()),
                                                  " may not call ", path, "; expected the role ",
                                                  ToString(needed)));
}

}  // namespace paci
