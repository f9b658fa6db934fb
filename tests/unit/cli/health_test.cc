// pacictl health against a real health server.

#include "common/rpc/health_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"

namespace paci::cli {
namespace {

using testing::HasSubstr;

CommandResult Health(std::vector<std::string> args) {
  args.insert(args.begin(), "health");
  return RunBinary(args);
}

TEST(Health, IsThatOfTheProcessOrOfOneOfItsServices) {
  const auto server = HealthServer::Start("127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = (*server)->address();

  const CommandResult process = Health({"--server", address});
  EXPECT_EQ(process.code, 0) << process.err;
  EXPECT_EQ(process.out, "SERVING\n");

  (*server)->SetServing("a", true);
  EXPECT_EQ(Health({"--server", address, "--service", "a"}).code, 0);
  (*server)->SetServing("a", false);
  const CommandResult stopped = Health({"--server", address, "--service", "a"});
  EXPECT_EQ(stopped.code, 1);
  EXPECT_EQ(stopped.out, "");
  EXPECT_EQ(stopped.err, "pacictl: " + address + " says NOT_SERVING\n");

  const CommandResult unknown = Health({"--server", address, "--service", "b"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_EQ(unknown.err, "pacictl: " + address + " has no service \"b\"\n");
}

TEST(Health, OfNobodyIsUnreachable) {
  const CommandResult nobody = Health({"--server", "127.0.0.1:1"});
  EXPECT_EQ(nobody.code, 4);
  EXPECT_EQ(nobody.err, "pacictl: cannot reach 127.0.0.1:1: connection refused\n");
  EXPECT_EQ(Health({"--server", "nowhere"}).code, 2);
}

TEST(Health, OfTheCoordinatorNeedsNoAddress) {
  const auto server = HealthServer::Start("127.0.0.1:0");
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ(RunBinary({"health"}, {"PACI_COORDINATOR=" + (*server)->address()}).out, "SERVING\n");
  EXPECT_THAT(Health({"--coordinator", "nowhere"}).err, HasSubstr("--coordinator: "));
}

TEST(Health, ServersThatHaveTheirPortToThemselvesSayWhyTheyCannot) {
  const auto first = HealthServer::Start("127.0.0.1:0");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = HealthServer::Start((*first)->address());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(second.status().message(), HasSubstr("Address already in use"));
  EXPECT_TRUE(absl::IsInvalidArgument(HealthServer::Start("nowhere").status()));
}

}  // namespace
}  // namespace paci::cli
