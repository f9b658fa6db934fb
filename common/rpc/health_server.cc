#include "common/rpc/health_server.h"

#include "absl/memory/memory.h"
#include "common/rpc/address.h"
#include "common/rpc/deadline.h"
#include "common/rpc/port_check.h"

namespace paci {
namespace {

using grpc::health::v1::HealthCheckResponse;

// A request is the name of a service.
constexpr int kMaxRequestBytes = 4096;

}  // namespace

absl::StatusOr<std::unique_ptr<HealthServer>> HealthServer::Start(const std::string& address) {
  absl::StatusOr<HostPort> listen = ParseHostPort(address);
  if (!listen.ok()) return listen.status();
  auto health = absl::WrapUnique(new HealthServer());
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  int port = 0;
  builder.AddListeningPort(ToString(*listen), grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(health.get());
  health->server_ = builder.BuildAndStart();
  if (health->server_ == nullptr || port == 0) return WhyNotListening(*listen);
  listen->port = static_cast<uint16_t>(port);
  health->address_ = ToString(*listen);
  return health;
}

HealthServer::~HealthServer() {
  if (server_ != nullptr) server_->Shutdown(DeadlineIn(absl::ZeroDuration()));
}

void HealthServer::SetServing(const std::string& service, bool is_serving) {
  absl::MutexLock lock(&mutex_);
  serving_[service] = is_serving;
}

grpc::Status HealthServer::Check(grpc::ServerContext* /*context*/,
                                 const grpc::health::v1::HealthCheckRequest* request,
                                 HealthCheckResponse* response) {
  absl::MutexLock lock(&mutex_);
  const auto found = serving_.find(request->service());
  if (found == serving_.end()) return {grpc::StatusCode::NOT_FOUND, "no such service"};
  response->set_status(found->second ? HealthCheckResponse::SERVING
                                     : HealthCheckResponse::NOT_SERVING);
  return grpc::Status::OK;
}

}  // namespace paci
