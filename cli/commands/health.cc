#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/client.h"
#include "cli/commands/commands.h"
#include "cli/errors.h"
#include "common/rpc/address.h"
#include "common/rpc/deadline.h"
#include "common/rpc/status.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace paci::cli {
namespace {

using grpc::health::v1::HealthCheckResponse;

struct HealthArguments {
  std::string server;  // HOST:PORT; empty: the coordinator
  std::string service;
};

absl::Status WhyNoAnswer(const grpc::Status& status, const std::string& address,
                         const std::string& service) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return absl::UnavailableError(
          absl::StrCat("cannot reach ", address, ": ", CauseOf(status.error_message())));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::UnavailableError(absl::StrCat(address, " does not answer"));
    case grpc::StatusCode::NOT_FOUND:
      return absl::NotFoundError(absl::StrCat(address, " has no service \"", service, "\""));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::UnimplementedError(absl::StrCat(address, " answers no health checks"));
    default:
      return FromGrpcStatus(status);
  }
}

absl::Status Health(const HealthArguments& arguments, const Context& context) {
  const bool is_coordinator = arguments.server.empty();
  const absl::StatusOr<HostPort> address =
      ParseHostPort(is_coordinator ? context.globals.coordinator : arguments.server);
  if (!address.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        is_coordinator ? "--coordinator: " : "--server: ", address.status().message()));
  }
  absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> credentials =
      grpc::InsecureChannelCredentials();
  if (is_coordinator) credentials = CredentialsOf(context.globals);
  if (!credentials.ok()) return credentials.status();
  const double seconds = context.globals.timeout_seconds;
  grpc::ClientContext call;
  call.set_deadline(DeadlineIn(seconds > 0 ? absl::Seconds(seconds) : kCallDeadline));
  grpc::health::v1::HealthCheckRequest request;
  request.set_service(arguments.service);
  HealthCheckResponse response;
  const std::string server = ToString(*address);
  const grpc::Status status = grpc::health::v1::Health::NewStub(Dial(server, *credentials))
                                  ->Check(&call, request, &response);
  if (!status.ok()) return WhyNoAnswer(status, server, arguments.service);
  const std::string answer = HealthCheckResponse::ServingStatus_Name(response.status());
  if (response.status() != HealthCheckResponse::SERVING) {
    return absl::FailedPreconditionError(absl::StrCat(server, " says ", answer));
  }
  context.streams.out << answer << "\n";
  return absl::OkStatus();
}

}  // namespace

Verb HealthVerb() {
  const auto arguments = std::make_shared<HealthArguments>();
  return {.name = "health",
          .summary = "Ask a daemon whether it serves, by the standard gRPC health protocol",
          .description =
              "For probes: exit code 0 and SERVING, or another and the reason. A worker "
              "answers where its --health says, for paci.v1.WorkerService only while "
              "the coordinator has it among its workers.",
          .example =
              "pacictl health\n"
              "pacictl health --server 127.0.0.1:7072 --service paci.v1.WorkerService",
          .arguments = {{.name = "--server",
                         .placeholder = "HOST:PORT",
                         .help = "A worker's --health in place of the coordinator; not encrypted",
                         .target = &arguments->server,
                         .rejects_empty = true},
                        {.name = "--service",
                         .placeholder = "NAME",
                         .help = "One of its services; if not given, the process",
                         .target = &arguments->service}},
          .formats = {Format::kTable},
          .run = [arguments](const Context& context) { return Health(*arguments, context); }};
}

}  // namespace paci::cli
