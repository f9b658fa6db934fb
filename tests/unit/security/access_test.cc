#include "common/security/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "paci/v1/job.pb.h"
#include "paci/v1/worker.pb.h"

namespace paci {
namespace {

using testing::HasSubstr;

std::string Jobs(const std::string& method) { return absl::StrCat("/paci.v1.JobService/", method); }
bool May(Role role, const std::string& path) { return CheckAccess(path, {role}).ok(); }

TEST(Access, EachRoleMayWhatTheOnesBeforeItMay) {
  const struct {
    std::string path;
    Role least;
  } kCases[] = {
      {Jobs("GetJob"), Role::kView},      {Jobs("WatchJob"), Role::kView},
      {Jobs("SubmitJob"), Role::kSubmit}, {Jobs("CancelJob"), Role::kSubmit},
      {Jobs("DeleteJob"), Role::kAdmin},  {"/paci.v1.ClusterService/DrainWorker", Role::kAdmin}};
  for (const auto& [path, least] : kCases) {
    for (const Role role : {Role::kView, Role::kSubmit, Role::kAdmin}) {
      EXPECT_EQ(May(role, path), role >= least) << path << " by " << ToString(role);
    }
    EXPECT_FALSE(May(Role::kWorker, path)) << path;
  }
}

TEST(Access, WorkersConnectAndNobodyElseDoes) {
  const std::string path = "/paci.v1.WorkerService/Connect";
  for (const Role role : {Role::kView, Role::kSubmit, Role::kAdmin}) EXPECT_FALSE(May(role, path));
  EXPECT_TRUE(May(Role::kWorker, path));
  EXPECT_EQ(CheckAccess(path, {}).code(), absl::StatusCode::kUnauthenticated);
}

// A method that is added to a service and forgotten in the table is nobody's but an admin's; this
// test asks for the decision.
TEST(Access, EveryMethodHasBeenDecidedUpon) {
  for (const auto* file : {v1::Job::descriptor()->file(), v1::Hello::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const std::string path = absl::StrCat("/", file->service(s)->full_name(), "/",
                                              file->service(s)->method(m)->name());
        const bool is_known_to_need_admin =
            path == Jobs("DeleteJob") || path == "/paci.v1.ClusterService/DrainWorker";
        EXPECT_TRUE(May(Role::kSubmit, path) || May(Role::kWorker, path) || is_known_to_need_admin)
            << path;
      }
    }
  }
}

TEST(Access, HealthIsAskedByEverybodyAndTheUnknownByNobodyButAdmins) {
  EXPECT_TRUE(CheckAccess("/grpc.health.v1.Health/Check", {}).ok());
  for (const std::string path : {"", "/", "/paci.v1.JobService/GetJobX",
                                 "paci.v1.JobService/GetJob", "/paci.v1.JobService/getjob",
                                 "//paci.v1.JobService/GetJob", "/grpc.health.v1.HealthX/Check"}) {
    EXPECT_FALSE(May(Role::kSubmit, path)) << path;
    EXPECT_TRUE(May(Role::kAdmin, path)) << path;
    EXPECT_EQ(CheckAccess(path, {}).code(), absl::StatusCode::kUnauthenticated) << path;
  }
}

TEST(Access, SaysWhatIsNeeded) {
  EXPECT_THAT(CheckAccess(Jobs("DeleteJob"), {Role::kView}).message(),
              HasSubstr("the role view may not call /paci.v1.JobService/DeleteJob; expected the "
                        "role admin"));
  EXPECT_THAT(CheckAccess(Jobs("ListJobs"), {}).message(), HasSubstr("--token-file"));
}

TEST(Access, ACertificateSaysARoleByItsUri) {
  EXPECT_EQ(*RoleOfUri("spiffe://paci/worker"), Role::kWorker);
  EXPECT_EQ(*RoleOfUri("spiffe://paci/submit"), Role::kSubmit);
  for (const std::string uri : {"spiffe://paci/", "spiffe://paci/root", "spiffe://other/worker",
                                "spiffe://paci/worker/", "xspiffe://paci/worker", ""}) {
    EXPECT_FALSE(RoleOfUri(uri).ok()) << uri;
  }
}

}  // namespace
}  // namespace paci
