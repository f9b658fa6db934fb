#include "cli/errors.h"

#include "gtest/gtest.h"

namespace paci::cli {
namespace {

TEST(Errors, CodesAreWhatScriptsRelyOn) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), 0);
  EXPECT_EQ(ExitCodeOf(absl::FailedPreconditionError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::AbortedError("")), 1);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("")), 2);
  EXPECT_EQ(ExitCodeOf(absl::NotFoundError("")), 3);
  EXPECT_EQ(ExitCodeOf(absl::UnavailableError("")), 4);
  EXPECT_EQ(ExitCodeOf(absl::CancelledError("")), 130);
}

TEST(Errors, EveryLineIsPrefixedAndEscaped) {
  EXPECT_EQ(ErrorText(absl::InvalidArgumentError("a\n\nb\x1b[2J\n")),
            "pacictl: a\npacictl: b\\x1b[2J\n");
  EXPECT_EQ(ErrorText(absl::InternalError("")), "pacictl: INTERNAL\n");
}

TEST(Errors, TheCauseIsTheInnermostOfWhatGrpcSays) {
  EXPECT_EQ(UnreachableText("h:1",
                            "failed to connect to all addresses; last error: UNKNOWN: "
                            "ipv4:127.0.0.1:1: Failed to connect to remote host: Connection "
                            "refused"),
            "cannot reach the coordinator at h:1: connection refused; is it running? set "
            "--coordinator or PACI_COORDINATOR");
  EXPECT_NE(UnreachableText("h:1", "Socket closed").find("h:1: socket closed;"), std::string::npos);
}

}  // namespace
}  // namespace paci::cli
