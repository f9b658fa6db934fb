// A cluster whose connections are encrypted and whose callers say who they are.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "common/security/user_tokens.h"
#include "tests/integration/local_cluster.h"
#include "tests/integration/outcome.h"

namespace paci {
namespace {

using testing::HasSubstr;

class Security : public testing::Test {
 protected:
  Security() {
    const std::string command = absl::StrCat("deploy/tls/make_certs.sh ", folder_.path());
    EXPECT_EQ(std::system(command.c_str()), 0);
    folder_.Write("tokens", absl::StrCat(TokenLine({"vera", Role::kView}, "vera-token"), "\n",
                                         TokenLine({"sam", Role::kSubmit}, "sam-token"), "\n"));
    folder_.Write("vera", "vera-token\n");
    folder_.Write("sam", "sam-token\n");
  }
  ClusterOptions Options(int workers) const {
    ClusterOptions options;
    options.workers = workers;
    options.certificates = folder_.path();
    return options;
  }
  // With the user's token.
  CommandResult As(const std::string& user, const LocalCluster& cluster,
                   std::vector<std::string> args) const {
    args.insert(args.end(),
                {"--coordinator", cluster.rpc_address(), "--tls-ca", folder_.path() + "/ca.pem",
                 "--token-file", absl::StrCat(folder_.path(), "/", user)});
    return RunBinary(args);
  }

  const TestFolder folder_;
};

TEST_F(Security, AJobTrainsAndRecoversOverTls) {
  LocalCluster cluster(Options(4));
  const std::string id = cluster.SubmitCheckpointed({"pipeline.data_tls=true"});
  cluster.Await(id, [](const v1::Job& job) { return !job.checkpoint().empty(); });
  cluster.worker("w1").Signal(SIGKILL);
  EXPECT_EQ(OutcomeOf(cluster, id), UndisturbedOutcome());
  EXPECT_EQ(cluster.Get(id).generation(), 2);
}

TEST_F(Security, UsersMayWhatTheirTokensSay) {
  LocalCluster cluster(Options(0));
  const std::string id = cluster.SubmitCheckpointed();
  EXPECT_EQ(As("vera", cluster, {"list"}).code, 0);
  const CommandResult refused = As("vera", cluster, {"cancel", id});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.err, HasSubstr("the role view may not call"));
  EXPECT_EQ(As("sam", cluster, {"cancel", id}).code, 0);
  EXPECT_THAT(As("sam", cluster, {"delete", id}).err, HasSubstr("expected the role admin"));
  EXPECT_EQ(cluster.Pacictl({"delete", id}).code, 0);

  // A token that was withdrawn.
  folder_.Write("tokens", TokenLine({"sam", Role::kSubmit}, "sam-token"));
  Poll("the token is refused", [&] { return As("vera", cluster, {"list"}).code != 0; });
  EXPECT_THAT(As("vera", cluster, {"list"}).err, HasSubstr("may have been withdrawn"));
  EXPECT_EQ(As("sam", cluster, {"list"}).code, 0);
}

TEST_F(Security, WithoutACertificateNobodyIsAWorkerAndWithoutATokenNobodyAUser) {
  LocalCluster cluster(Options(0));
  const std::string& address = cluster.rpc_address();
  const CommandResult nobody =
      RunBinary({"list", "--coordinator", address, "--tls-ca", folder_.path() + "/ca.pem"});
  EXPECT_NE(nobody.code, 0);
  EXPECT_THAT(nobody.err, HasSubstr("neither a token nor a client certificate"));
  EXPECT_NE(RunBinary({"list", "--coordinator", address}).code, 0);

  Process worker("paci-worker", {"--coordinator", address, "--tls-ca", folder_.path() + "/ca.pem",
                                 "--data-listen", "127.0.0.1:0"});
  Poll("the worker says why", [&] {
    return worker.err().find("a worker needs a client certificate") != std::string::npos;
  });
  EXPECT_TRUE(cluster.Workers().empty());
}

TEST_F(Security, ADaemonThatIsNotProtectedMustBeAskedForByName) {
  const TestFolder store;
  const CommandResult coordinator =
      Process("paci-coordinator", {"--listen", "127.0.0.1:0", "--store", store.path() + "/db"})
          .Wait();
  EXPECT_EQ(coordinator.code, 2);
  EXPECT_THAT(coordinator.err, HasSubstr("or --insecure"));
  const CommandResult worker =
      Process("paci-worker", {"--coordinator", "192.0.2.1:7070", "--data-listen", "127.0.0.1:0"})
          .Wait();
  EXPECT_EQ(worker.code, 2);
  EXPECT_THAT(worker.err, HasSubstr("192.0.2.1:7070 is not protected"));
}

}  // namespace
}  // namespace paci
