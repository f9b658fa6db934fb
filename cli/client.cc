#include "cli/client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/errors.h"
#include "common/config/read_file.h"
#include "common/rpc/address.h"
#include "common/rpc/backoff.h"
#include "common/rpc/deadline.h"
#include "common/rpc/status.h"
#include "common/text/short_duration.h"

namespace paci::cli {
namespace {

// Between attempts, ours and those of gRPC itself: someone is waiting.
constexpr BackoffOptions kBackoff = {.first = absl::Milliseconds(100), .max = absl::Seconds(1)};

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  if (path.empty()) return "";
  constexpr size_t kMostBytes = 4096;
  const absl::StatusOr<std::string> text =
      ReadFile(path, kMostBytes, absl::StrCat("cannot read the token file ", path));
  if (!text.ok()) return text.status();
  const absl::string_view token = absl::StripAsciiWhitespace(*text);
  const bool is_token =
      !token.empty() && std::all_of(token.begin(), token.end(), absl::ascii_isgraph);
  if (!is_token) {
    return absl::InvalidArgumentError(absl::StrCat("the token file ", path,
                                                   " holds no token; expected one word, as pacictl "
                                                   "token prints it"));
  }
  return std::string(token);
}

}  // namespace

std::shared_ptr<grpc::Channel> Dial(const std::string& address,
                                    const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
  grpc::ChannelArguments arguments;
  // A control plane is reached directly; http_proxy is for the web.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(kBackoff.first)));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(absl::ToInt64Milliseconds(kBackoff.max)));
  return grpc::CreateCustomChannel(address, credentials, arguments);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> CredentialsOf(const Globals& globals) {
  const absl::StatusOr<std::string> token = ReadToken(globals.token_file);
  if (!token.ok()) return token.status();
  return MakeChannelCredentials(globals.security, globals.coordinator, *token);
}

Client::Client(std::string address, const std::shared_ptr<grpc::ChannelCredentials>& credentials,
               absl::Duration timeout, Interrupt* interrupt)
    : address_(std::move(address)), timeout_(timeout), interrupt_(interrupt) {
  const auto channel = Dial(address_, credentials);
  jobs_ = v1::JobService::NewStub(channel);
  cluster_ = v1::ClusterService::NewStub(channel);
}

absl::StatusOr<Client> Client::Create(const Globals& globals, Interrupt* interrupt,
                                      absl::Duration default_timeout) {
  const absl::StatusOr<HostPort> address = ParseHostPort(globals.coordinator);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--coordinator: ", address.status().message()));
  }
  const absl::Duration timeout =
      globals.timeout_seconds > 0 ? absl::Seconds(globals.timeout_seconds) : default_timeout;
  const auto credentials = CredentialsOf(globals);
  if (!credentials.ok()) return credentials.status();
  return Client(ToString(*address), *credentials, timeout, interrupt);
}

absl::Status Client::ToStatus(const grpc::Status& status) const {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::UnavailableError(UnreachableText(address_, status.error_message()));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::UnavailableError(
          UnreachableText(address_, absl::StrCat("no answer within ", ShortDuration(timeout_))));
    case grpc::StatusCode::CANCELLED:
      if (interrupt_ != nullptr && interrupt_->caught()) return FromGrpcStatus(status);
      return absl::AbortedError(absl::StrCat("the coordinator at ", address_,
                                             " broke off the call: ", status.error_message()));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(
          absl::StrCat("the server at ", address_,
                       " does not know this call: it is no paci coordinator, or one "
                       "of an older version"));
    default:
      return FromGrpcStatus(status);
  }
}

absl::Status Client::CallOnce(const OneCall& call) {
  grpc::ClientContext context;
  context.set_deadline(DeadlineIn(timeout_));
  const Interrupt::Scope scope(interrupt_, &context);
  return ToStatus(call(&context));
}

absl::Status Client::CallUntil(const OneCall& call, absl::Duration patience) {
  const absl::Time end = absl::Now() + patience;
  Backoff backoff(kBackoff, std::random_device()());
  while (true) {
    const absl::Status status = CallOnce(call);
    const absl::Duration pause = backoff.Next();
    if (!absl::IsUnavailable(status) || absl::Now() + pause >= end) return status;
    if (interrupt_ == nullptr) {
      absl::SleepFor(pause);
    } else if (interrupt_->WaitFor(pause)) {
      return absl::CancelledError("interrupted");
    }
  }
}

}  // namespace paci::cli
