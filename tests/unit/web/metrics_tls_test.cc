// Who may read /metrics and the pages, asked by curl.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/security/user_tokens.h"
#include "common/web/metrics_server.h"
#include "tests/support/process.h"
#include "tests/support/test_folder.h"

namespace paci {
namespace {

using testing::HasSubstr;

// A server with the certificate of a coordinator.
class Protected : public testing::Test {
 protected:
  Protected() {
    MakeCertificates(folder_.path());
    options_.listen = "127.0.0.1:0";
    options_.certificate = folder_.path() + "/coordinator.pem";
    options_.key = folder_.path() + "/coordinator.key";
  }
  static void MakeCertificates(const std::string& folder) {
    EXPECT_EQ(std::system(absl::StrCat("deploy/tls/make_certs.sh ", folder).c_str()), 0);
  }
  void Start() {
    auto started = MetricsServer::Start(options_);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
    server_->Serve([](absl::string_view path) -> std::optional<std::string> {
      if (path != "/") return std::nullopt;
      return "the page";
    });
  }
  void AskForTokens() {
    options_.tokens = folder_.Write("tokens", TokenLine({"vera", Role::kView}, "vera's"));
  }
  // What curl prints; `what` is it told before the address. With the authority's certificate.
  CommandResult Curl(const std::string& path, const std::vector<std::string>& what = {}) const {
    std::vector<std::string> args = {"--silent",
                                     "--show-error",
                                     "--include",
                                     "--max-time",
                                     "20",
                                     "--cacert",
                                     folder_.path() + "/ca.pem"};
    args.insert(args.end(), what.begin(), what.end());
    args.push_back(absl::StrCat("https://", server_->address(), path));
    return Process("/usr/bin/curl", args).Wait();
  }

  const TestFolder folder_;
  MetricsOptions options_;
  std::unique_ptr<MetricsServer> server_;
};

TEST_F(Protected, IsHttpsAndNothingElse) {
  Start();
  const CommandResult read = Curl("/metrics");
  EXPECT_EQ(read.code, 0) << read.err;
  EXPECT_THAT(read.out, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(Curl("/").out, HasSubstr("the page"));
  EXPECT_NE(Process("/usr/bin/curl", {"-s", absl::StrCat("http://", server_->address(), "/")})
                .Wait()
                .code,
            0);
  const CommandResult old = Curl("/", {"--tls-max", "1.1"});
  EXPECT_EQ(old.code, 35) << old.out;  // the handshake failed
}

TEST_F(Protected, IsReadByWhoHasAToken) {
  AskForTokens();
  Start();
  for (const std::string path : {"/metrics", "/", "/nowhere"}) {
    const CommandResult refused = Curl(path);
    EXPECT_THAT(refused.out, HasSubstr("HTTP/1.1 401 Unauthorized")) << path;
    EXPECT_THAT(refused.out, HasSubstr("WWW-Authenticate: Basic realm=\"paci\"")) << path;
    EXPECT_THAT(Curl(path, {"-H", "Authorization: Bearer guessed"}).out, HasSubstr("401")) << path;
    EXPECT_THAT(Curl(path, {"-u", "vera:guessed"}).out, HasSubstr("401")) << path;
  }
  EXPECT_THAT(Curl("/metrics", {"-H", "Authorization: Bearer vera's"}).out, HasSubstr("200 OK"));
  EXPECT_THAT(Curl("/", {"-u", "vera:vera's"}).out, HasSubstr("the page"));
}

TEST_F(Protected, NewCertificatesAndTokensAreTakenUpWithoutARestart) {
  AskForTokens();
  Start();
  const TestFolder other;
  MakeCertificates(other.path());
  for (const std::string file : {"ca.pem", "coordinator.key", "coordinator.pem"}) {
    std::filesystem::copy_file(other.path() + "/" + file, folder_.path() + "/" + file,
                               std::filesystem::copy_options::overwrite_existing);
  }
  while (Curl("/").code != 0) absl::SleepFor(absl::Milliseconds(50));
  // A slip locks nobody out.
  folder_.Write("coordinator.pem", "nonsense");
  folder_.Write("tokens", TokenLine({"omar", Role::kAdmin}, "omar's"));
  const auto status = [&](const std::string& token) { return Curl("/", {"-u", "x:" + token}).out; };
  while (status("omar's").find("the page") == std::string::npos) {
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_THAT(status("vera's"), HasSubstr("401"));
}

TEST_F(Protected, WhatIsMissingOrWrongIsSaid) {
  const auto error = [&] { return std::string(MetricsServer::Start(options_).status().message()); };
  const MetricsOptions right = options_;
  options_.key.clear();
  EXPECT_THAT(error(), HasSubstr("only one of them was given"));
  options_.key = folder_.path() + "/worker.key";
  EXPECT_THAT(error(), HasSubstr("worker.key is not that of the certificate"));
  options_ = right;
  options_.tokens = folder_.path() + "/none";
  EXPECT_THAT(error(), HasSubstr("the token file"));
  AskForTokens();
  options_.certificate.clear();
  options_.key.clear();
  EXPECT_THAT(error(), HasSubstr("not sent in the clear"));
}

}  // namespace
}  // namespace paci
