#include "common/rpc/door.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/rpc/deadline.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace paci {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using testing::HasSubstr;
using testing::StartsWith;

// A server behind a door, which says who calls.
class Behind : private Health::CallbackService {
 public:
  explicit Behind(const GuestLimits& limits, const std::string& host = "127.0.0.1") {
    door_ = *Door::Open({host, 0}, limits);
    grpc::ServerBuilder builder;
    door_->AddTo(builder, grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    door_->Admit([this](const absl::Status& why) {
      ++complaints_;
      EXPECT_EQ(why.code(), absl::StatusCode::kResourceExhausted);
    });
  }
  ~Behind() override {
    door_.reset();
    server_->Shutdown(DeadlineIn(absl::ZeroDuration()));
  }

  uint16_t port() const { return door_->address().port; }
  int complaints() const { return complaints_; }

  // A call on a connection of its own.
  grpc::Status Call() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    const auto stub = Health::NewStub(grpc::CreateCustomChannel(
        absl::StrCat("127.0.0.1:", port()), grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_deadline(DeadlineIn(absl::Seconds(20)));
    HealthCheckResponse response;
    return stub->Check(&context, {}, &response);
  }

 private:
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const HealthCheckRequest*,
                                  HealthCheckResponse*) override {
    EXPECT_THAT(context->peer(), StartsWith("ipv4:127.0.0.1:"));
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  std::atomic<int> complaints_{0};
  std::unique_ptr<Door> door_;
  std::unique_ptr<grpc::Server> server_;
};

// From 127.0.0.`number`; none if this process has no descriptor left.
Descriptor Dial(uint16_t port, int number) {
  Descriptor caller(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (caller.get() < 0) return caller;
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number - 1);
  EXPECT_EQ(bind(caller.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(caller.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);
  return caller;
}

// A server of HTTP/2 speaks first.
bool IsAdmitted(const Descriptor& caller) {
  char byte = 0;
  return recv(caller.get(), &byte, 1, 0) == 1;
}

TEST(Door, AServerBehindItAnswersAndKnowsItsCaller) {
  const Behind server({});
  EXPECT_TRUE(server.Call().ok()) << server.Call().error_message();
  const Behind everywhere({}, "0.0.0.0");
  EXPECT_TRUE(everywhere.Call().ok()) << everywhere.Call().error_message();
}

TEST(Door, ACrowdOfOneAddressIsClosedAndKeepsNobodyElseOut) {
  const Behind server({.in_all = 8, .of_one_address = 3});
  std::vector<Descriptor> crowd;
  for (int i = 0; i < 3; ++i) {
    crowd.push_back(Dial(server.port(), 2));
    EXPECT_TRUE(IsAdmitted(crowd.back()));
  }
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(IsAdmitted(Dial(server.port(), 2)));
  EXPECT_EQ(server.complaints(), 1) << "not for each of them";
  EXPECT_TRUE(server.Call().ok());
  // When it has gone its address is welcome again.
  crowd.clear();
  while (!IsAdmitted(Dial(server.port(), 2))) {
  }
}

// The process has as few descriptors left as an attacker who fills them leaves.
TEST(Door, RunningOutOfDescriptorsIsNotTheEnd) {
  const Behind server({.in_all = 100'000, .of_one_address = 100'000});
  EXPECT_TRUE(server.Call().ok());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const Descriptor next(dup(0));
  const rlimit few{static_cast<rlim_t>(next.get()) + 40, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  std::vector<Descriptor> callers;
  do {
    callers.push_back(Dial(server.port(), 2));
  } while (callers.back().get() >= 0);
  callers.clear();
  EXPECT_TRUE(server.Call().ok());
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Door, AnAddressThatCannotBeHadIsAnErrorThatSaysWhy) {
  const Behind server({});
  const absl::Status taken = Door::Open({"127.0.0.1", server.port()}, {}).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(taken.message(),
            absl::StrCat("cannot listen on 127.0.0.1:", server.port(), ": Address already in use"));
  EXPECT_THAT(std::string(Door::Open({"192.0.2.1", 0}, {}).status().message()),
              HasSubstr("cannot listen on 192.0.2.1:0: Cannot assign requested address"));
  EXPECT_FALSE(Door::Open({"no-such-host.invalid", 0}, {}).ok());
}

}  // namespace
}  // namespace paci
