#include "coordinator/service/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "common/rpc/address.h"
#include "common/rpc/deadline.h"
#include "common/telemetry/log.h"
#include "coordinator/service/status_pages.h"

namespace paci {
namespace {

// Time for the last answers to reach their callers; then connections are closed.
constexpr absl::Duration kEndPatience = absl::Milliseconds(100);

void SetLimits(grpc::ServerBuilder& builder) {
  // Workers ask every 5 s whether the coordinator is there.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 1000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Callers that are gone without a word.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 20000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  const absl::StatusOr<HostPort> address = ParseHostPort(options.listen);
  if (!address.ok()) return address.status();
  absl::StatusOr<std::unique_ptr<JobStore>> store = JobStore::Open(options.store);
  if (!store.ok()) return store.status();
  absl::StatusOr<StoreContents> contents = (*store)->Load();
  if (!contents.ok()) return contents.status();
  Controller controller(options.controller, *std::move(contents), Core::Now());
  auto server = absl::WrapUnique(new Server(options, std::move(controller), *std::move(store)));
  if (absl::Status listening = server->Listen(options); !listening.ok()) return listening;
  return server;
}

Server::Server(const ServerOptions& options, Controller controller, std::unique_ptr<JobStore> store)
    : core_(std::move(controller), std::move(store), options.controller.tick,
            {[this](Effects effects, absl::Time now) { Deliver(std::move(effects), now); },
             options.on_fatal}),
      worker_service_(&core_, &streams_),
      job_service_(&core_, &watchers_, &generate_calls_, &trace_calls_),
      cluster_service_(&core_, Core::Now()) {}

absl::Status Server::Listen(const ServerOptions& options) {
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  absl::StatusOr<std::unique_ptr<Door>> door =
      Door::Open(*ParseHostPort(options.listen), options.guests);
  if (!door.ok()) return door.status();
  door_ = *std::move(door);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  door_->AddTo(builder, options.credentials);
  builder.RegisterService(&worker_service_);
  builder.RegisterService(&job_service_);
  builder.RegisterService(&cluster_service_);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr) return absl::InternalError("the gRPC server cannot start");
  rpc_address_ = ToString(door_->address());
  for (const char* name :
       {v1::JobService::service_full_name(), v1::ClusterService::service_full_name(),
        v1::WorkerService::service_full_name()}) {
    grpc_->GetHealthCheckService()->SetServingStatus(name, true);
  }
  door_->Admit([](const absl::Status& why) {
    LogWarning("connections are refused", {{"why", std::string(why.message())}});
  });
  if (options.metrics.listen.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<MetricsServer>> metrics = MetricsServer::Start(options.metrics);
  if (!metrics.ok()) return metrics.status();
  metrics_ = *std::move(metrics);
  collector_ = std::make_shared<MetricsCollector>(&core_, &tally_);
  metrics_->Expose(collector_);
  metrics_->Serve(
      [pages = StatusPages(&core_)](absl::string_view path) { return pages.Page(path); });
  return absl::OkStatus();
}

Server::~Server() {
  if (grpc_ == nullptr) return;
  door_.reset();
  const absl::Status reason = absl::UnavailableError("the coordinator is ending");
  streams_.CloseAll(reason);
  watchers_.Close(reason);
  generate_calls_.Close(reason);
  trace_calls_.Close(reason);
  // Waits until every call is done.
  grpc_->Shutdown(DeadlineIn(kEndPatience));
}

void Server::Deliver(Effects effects, absl::Time now) {
  for (const v1::Event& event : effects.writes.events) tally_.Add(event);
  for (const std::string& id : effects.writes.deleted_jobs) tally_.Forget(id);
  for (OutgoingMessage& outgoing : effects.messages) {
    streams_.Send(outgoing.stream, std::move(outgoing.message));
  }
  for (const ClosedStream& closed : effects.closed) streams_.Close(closed.stream, closed.reason);
  streams_.CloseSilent(now);
  watchers_.Show(effects.writes.jobs);
  watchers_.Flush(now);
  for (GenerateOutcome& outcome : effects.generated) generate_calls_.End(std::move(outcome));
  for (TraceOutcome& outcome : effects.traced) trace_calls_.End(std::move(outcome));
}

}  // namespace paci
