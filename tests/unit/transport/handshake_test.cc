// How an acceptor judges what a stranger says: the status that its log shows.
#include "common/transport/tcp/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <optional>

#include "common/rpc/address.h"
#include "tests/unit/transport/raw_peer.h"

namespace paci {
namespace {

using ::testing::HasSubstr;

const LinkId kLink = {"kjv-1", 2, 0, 1};

// Examines a peer that says `bytes`, before it hears anything, and leaves.
absl::Status ExamineWho(absl::Span<const std::byte> bytes) {
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  RawPeer peer = RawPeer::Dial(ToString(HostPort{"127.0.0.1", acceptor.local_endpoint().port()}));
  peer.Send(bytes);
  peer.FinishSending();
  asio::ip::tcp::socket socket = acceptor.accept();
  const std::string secret = "secret";
  const FindSecret find_secret = [&](const LinkId& link) {
    return link == kLink ? &secret : nullptr;
  };
  std::optional<absl::StatusOr<LinkId>> result;
  asio::co_spawn(
      context, [&] { return Examine(socket, find_secret); },
      [&](const std::exception_ptr&, absl::StatusOr<LinkId> link) { result = std::move(link); });
  context.run();
  return result->status();
}

TEST(Examine, SaysWhyItRefuses) {
  IntroductionBytes old_version = EncodeIntroduction({kLink, {}, {}});
  old_version[4] = std::byte{0};
  IntroductionBytes long_name = EncodeIntroduction({kLink, {}, {}});
  long_name[6] = std::byte{200};
  LinkId old_generation = kLink;
  old_generation.generation = 1;
  const IntroductionBytes garbage{};
  const IntroductionBytes unproved = EncodeIntroduction({kLink, {}, {}});
  const IntroductionBytes unawaited = EncodeIntroduction({old_generation, {}, {}});
  struct Case {
    absl::Span<const std::byte> said;
    absl::StatusCode code;
    const char* message;
  };
  const Case cases[] = {
      {{}, absl::StatusCode::kUnavailable, "the handshake broke off"},
      {absl::MakeConstSpan(garbage).first(100), absl::StatusCode::kUnavailable,
       "the handshake broke off"},
      {garbage, absl::StatusCode::kInvalidArgument, "its introduction begins with 0x0"},
      {old_version, absl::StatusCode::kFailedPrecondition,
       "version 0 of the data plane, this worker 1"},
      {long_name, absl::StatusCode::kInvalidArgument, "a job id of 200 bytes"},
      {unproved, absl::StatusCode::kPermissionDenied,
       "wrong secret for job kjv-1, generation 2, stage 0 -> 1"},
      {unawaited, absl::StatusCode::kPermissionDenied,
       "nobody here expects job kjv-1, generation 1, stage 0 -> 1"},
  };
  for (const Case& one : cases) {
    const absl::Status status = ExamineWho(one.said);
    EXPECT_EQ(status.code(), one.code) << one.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(one.message));
  }
}

}  // namespace
}  // namespace paci
