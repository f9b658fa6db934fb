#include "common/security/tls.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/rpc/deadline.h"
#include "common/security/user_tokens.h"
#include "paci/v1/job.grpc.pb.h"
#include "paci/v1/worker.grpc.pb.h"
#include "tests/support/test_folder.h"

namespace paci {
namespace {

using testing::HasSubstr;

// The certificates of a site, as deploy/tls/make_certs.sh makes them.
class Site {
 public:
  Site() { Make(); }
  // New ones of the same authority.
  void Make() const {
    const std::string command = absl::StrCat("deploy/tls/make_certs.sh ", folder_.path());
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  SecurityOptions Of(const std::string& owner) const {
    SecurityOptions options;
    options.tls.ca = folder_.path() + "/ca.pem";
    if (owner.empty()) return options;
    options.tls.certificate = absl::StrCat(folder_.path(), "/", owner, ".pem");
    options.tls.key = absl::StrCat(folder_.path(), "/", owner, ".key");
    return options;
  }
  const TestFolder& folder() const { return folder_; }

 private:
  const TestFolder folder_;
};

// Two services that answer everything that gets through.
class Guarded {
 public:
  explicit Guarded(const Site& site) {
    const std::string tokens =
        site.folder().Write("tokens", absl::StrCat(TokenLine({"anna", Role::kView}, "anna's"), "\n",
                                                   TokenLine({"omar", Role::kAdmin}, "omar's")));
    const auto credentials = MakeServerCredentials(site.Of("coordinator"), tokens);
    EXPECT_TRUE(credentials.ok()) << credentials.status();
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", *credentials, &port);
    builder.RegisterService(&cluster_);
    builder.RegisterService(&workers_);
    server_ = builder.BuildAndStart();
    address_ = absl::StrCat("127.0.0.1:", port);
  }
  const std::string& address() const { return address_; }

 private:
  class ClusterService final : public v1::ClusterService::Service {
    grpc::Status GetInfo(grpc::ServerContext* context, const v1::GetInfoRequest*,
                         v1::ServerInfo*) override {
      // The token ends at the guard.
      EXPECT_EQ(context->client_metadata().count("authorization"), 0);
      return grpc::Status::OK;
    }
    grpc::Status DrainWorker(grpc::ServerContext*, const v1::DrainWorkerRequest*,
                             v1::Worker*) override {
      return grpc::Status::OK;
    }
  };
  class WorkerService final : public v1::WorkerService::Service {
    grpc::Status Connect(
        grpc::ServerContext*,
        grpc::ServerReaderWriter<v1::CoordinatorMessage, v1::WorkerMessage>*) override {
      return grpc::Status::OK;
    }
  };

  ClusterService cluster_;
  WorkerService workers_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
};

// One caller, on a connection of its own.
class Caller {
 public:
  Caller(const std::string& address, const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channel_ = grpc::CreateCustomChannel(address, credentials, arguments);
  }
  Caller(const std::string& address, const SecurityOptions& options, const std::string& token = "")
      : Caller(address, *MakeChannelCredentials(options, address, token)) {}

  grpc::StatusCode GetInfo() const { return Call(&v1::ClusterService::Stub::GetInfo); }
  grpc::StatusCode Drain() const { return Call(&v1::ClusterService::Stub::DrainWorker); }
  grpc::StatusCode Connect() const {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(20)));
    const auto stream = v1::WorkerService::NewStub(channel_)->Connect(&context);
    return stream->Finish().error_code();
  }

 private:
  template <typename Request, typename Response>
  grpc::StatusCode Call(grpc::Status (v1::ClusterService::Stub::*method)(grpc::ClientContext*,
                                                                         const Request&,
                                                                         Response*)) const {
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(20)));
    Response response;
    return ((*v1::ClusterService::NewStub(channel_)).*method)(&context, Request(), &response)
        .error_code();
  }

  std::shared_ptr<grpc::Channel> channel_;
};

TEST(Tls, TokensAndCertificatesSayWhatACallerMay) {
  const Site site;
  const Guarded server(site);
  const Caller anna(server.address(), site.Of(""), "anna's");
  EXPECT_EQ(anna.GetInfo(), grpc::OK);
  EXPECT_EQ(anna.Drain(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(anna.Connect(), grpc::PERMISSION_DENIED);
  const Caller omar(server.address(), site.Of(""), "omar's");
  EXPECT_EQ(omar.Drain(), grpc::OK);
  EXPECT_EQ(omar.Connect(), grpc::PERMISSION_DENIED);
  const Caller worker(server.address(), site.Of("worker"));
  EXPECT_EQ(worker.Connect(), grpc::OK);
  EXPECT_EQ(worker.GetInfo(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(Caller(server.address(), site.Of("admin")).Drain(), grpc::OK);
  // A certificate that says no role is as good as none.
  EXPECT_EQ(Caller(server.address(), site.Of("coordinator")).GetInfo(), grpc::UNAUTHENTICATED);
}

TEST(Tls, StrangersAreRefused) {
  const Site site;
  const Site other;
  const Guarded server(site);
  EXPECT_EQ(Caller(server.address(), site.Of("")).GetInfo(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(Caller(server.address(), site.Of("")).Connect(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(Caller(server.address(), site.Of(""), "guessed").GetInfo(), grpc::UNAUTHENTICATED);
  EXPECT_EQ(Caller(server.address(), grpc::InsecureChannelCredentials()).GetInfo(),
            grpc::UNAVAILABLE);
  // Of another authority: the caller's certificate, then the server's.
  SecurityOptions forged = other.Of("admin");
  forged.tls.ca = site.Of("").tls.ca;
  EXPECT_EQ(Caller(server.address(), forged).Drain(), grpc::UNAVAILABLE);
  EXPECT_EQ(Caller(server.address(), other.Of("")).GetInfo(), grpc::UNAVAILABLE);
}

// gRPC reads the files once a second.
TEST(Tls, NewCertificatesAreTakenUpWithoutARestart) {
  const Site site;
  const Guarded server(site);
  const Site other;
  for (const std::string file : {"ca.pem", "coordinator.key", "coordinator.pem"}) {
    std::filesystem::copy_file(other.folder().path() + "/" + file,
                               site.folder().path() + "/" + file,
                               std::filesystem::copy_options::overwrite_existing);
  }
  while (Caller(server.address(), other.Of("admin")).Drain() != grpc::OK) {
    absl::SleepFor(absl::Milliseconds(50));
  }
}

TEST(Tls, WhatIsMissingOrWrongIsSaid) {
  const Site site;
  const auto server_error = [](const SecurityOptions& options, const std::string& tokens = "") {
    return std::string(MakeServerCredentials(options, tokens).status().message());
  };
  const auto client_error = [](const SecurityOptions& options, const std::string& address,
                               const std::string& token = "") {
    return std::string(MakeChannelCredentials(options, address, token).status().message());
  };
  const SecurityOptions none;
  EXPECT_THAT(server_error(none), HasSubstr("--tls-ca, --tls-cert and --tls-key, or --insecure"));
  EXPECT_THAT(server_error(site.Of("")), HasSubstr("--tls-cert"));
  SecurityOptions both = site.Of("coordinator");
  both.is_insecure = true;
  EXPECT_THAT(server_error(both), HasSubstr("expected one of the two"));
  SecurityOptions insecure;
  insecure.is_insecure = true;
  EXPECT_EQ(server_error(insecure), "");
  EXPECT_THAT(server_error(insecure, "tokens"), HasSubstr("in the clear"));
  SecurityOptions mixed = site.Of("coordinator");
  mixed.tls.key = site.Of("worker").tls.key;
  EXPECT_THAT(server_error(mixed), HasSubstr("worker.key is not that of the certificate"));
  SecurityOptions gone = site.Of("coordinator");
  gone.tls.ca += 'x';
  EXPECT_THAT(server_error(gone), HasSubstr("ca.pemx cannot be read: No such file"));
  gone.tls.ca = site.Of("worker").tls.key;
  EXPECT_THAT(server_error(gone), HasSubstr("worker.key holds no certificate"));

  EXPECT_EQ(client_error(none, "localhost:7070"), "");
  EXPECT_EQ(client_error(none, "[::1]:7070"), "");
  EXPECT_THAT(client_error(none, "10.0.0.1:7070"), HasSubstr("is not protected"));
  EXPECT_THAT(client_error(none, "127.evil.example:7070"), HasSubstr("is not protected"));
  EXPECT_EQ(client_error(insecure, "10.0.0.1:7070"), "");
  EXPECT_THAT(client_error(none, "localhost:7070", "token"), HasSubstr("in the clear"));
}

}  // namespace
}  // namespace paci
